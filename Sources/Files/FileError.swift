import Glibc

/// Why a file was not read.
package enum FileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The `errno` of the call that failed.
    case system(code: Int32)
    /// Something else than a regular file.
    case notRegular(FileKind)
    /// More bytes than the limit.
    case tooLarge(limit: Int)

    /// The reason alone, without the path.
    package var description: String {
        switch self {
        case .system(let code): String(cString: strerror(code))
        case .notRegular(let kind): "it is \(kind.text), not a regular file"
        case .tooLarge(let limit): "it has more than \(limit) bytes"
        }
    }
}
