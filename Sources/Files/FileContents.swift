import Glibc

/// Reads files whole, and cannot be made to wait: opening a pipe waits for a writer, and reading a device may never end. What an
/// operator names by mistake must not stop a node that starts or reloads. Still, a file system may be slow, so no reactor calls this.
package enum FileContents {
    /// Bytes that one call reads at most.
    private static let step = 64 * 1024

    /// A regular file; symbolic links are followed.
    ///
    /// - Parameter limit: In bytes.
    /// - Throws: Anything else than a regular file, a file that is too large, or what the system says.
    package static func of(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
        // Looked at first, because opening a device may do something, and a socket cannot be opened.
        var status = stat()
        guard stat(path, &status) == 0 else { throw .system(code: errno) }
        try check(status, limit)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw .system(code: errno) }
        defer { close(descriptor) }
        // What was looked at may have been replaced since.
        guard fstat(descriptor, &status) == 0 else { throw .system(code: errno) }
        try check(status, limit)
        return try regular(descriptor, limit)
    }

    /// What the process was started with already open, such as standard input. A regular file is read from its beginning, each time.
    ///
    /// - Parameters:
    ///   - limit: In bytes.
    ///   - waits: Whether a pipe, a socket or a terminal is read to its end, too, however long that takes.
    package static func of(descriptor: Int32, limit: Int, waits: Bool) throws(FileError) -> [UInt8] {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system(code: errno) }
        let kind = FileKind(status)
        if waits, kind != .regular, kind != .directory {
            return try read(limit) { waitingRead(descriptor, $0) }
        }
        try check(status, limit)
        return try regular(descriptor, limit)
    }

    private static func check(_ status: stat, _ limit: Int) throws(FileError) {
        let kind = FileKind(status)
        guard kind == .regular else { throw .notRegular(kind) }
        guard status.st_size <= limit else { throw .tooLarge(limit: limit) }
    }

    private static func regular(_ descriptor: Int32, _ limit: Int) throws(FileError) -> [UInt8] {
        var offset = 0
        return try read(limit) { buffer in
            let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(clamping: offset))
            if count > 0 { offset += count }
            return count
        }
    }

    /// `read`, also where somebody made the descriptor non-blocking.
    private static func waitingRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            guard count < 0, errno == EAGAIN else { return count }
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            poll(&wait, 1, -1)
        }
    }

    /// - Parameter next: Fills a buffer as `read` does.
    private static func read(_ limit: Int, _ next: (UnsafeMutableRawBufferPointer) -> Int) throws(FileError) -> [UInt8]
    {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: step)
        while true {
            let count = buffer.withUnsafeMutableBytes(next)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system(code: errno) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: buffer[..<count])
            guard bytes.count <= limit else { throw .tooLarge(limit: limit) }
        }
    }
}
