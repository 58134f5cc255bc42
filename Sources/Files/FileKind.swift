import Glibc

/// What a path leads to, as `stat` says it (inode(7)).
package enum FileKind: Equatable, Sendable {
    case regular, directory, pipe, socket, characterDevice, blockDevice, unknown

    init(_ status: stat) {
        self =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFIFO: .pipe
            case S_IFSOCK: .socket
            case S_IFCHR: .characterDevice
            case S_IFBLK: .blockDevice
            default: .unknown
            }
    }

    /// Symbolic links are followed.
    ///
    /// - Returns: Nil where nothing is there, or nothing that this process may see.
    package static func of(_ path: String) -> FileKind? {
        var status = stat()
        return stat(path, &status) == 0 ? FileKind(status) : nil
    }

    /// With its article: "a pipe".
    package var text: String {
        switch self {
        case .regular: "a regular file"
        case .directory: "a directory"
        case .pipe: "a pipe"
        case .socket: "a socket"
        case .characterDevice: "a character device"
        case .blockDevice: "a block device"
        case .unknown: "no file"
        }
    }
}
