import CLinux
import Foundation
import Glibc

/// What commands print. A command whose answer could not be written has not done what it was asked for.
enum StandardOutput {
    /// From here on the process ends with status 1 if something it printed could not be written, however it ends.
    static func watch() {
        carillon_buffer_stdout()
        atexit {
            let code = carillon_flush_stdout()
            guard code != 0 else { return }
            // Whoever closed the pipe, such as `head`, has read what it wanted.
            if code != EPIPE { StandardOutput.complain(StandardOutput.reason(code)) }
            _exit(1)
        }
    }

    /// Writes out what was printed, so that it is seen at once through a pipe, too.
    ///
    /// - Throws: That it cannot be written.
    static func flush() throws {
        let code = carillon_flush_stdout()
        guard code == 0 else { throw Failure(reason(code)) }
    }

    private static func reason(_ code: Int32) -> String {
        "cannot write to standard output" + (code > 0 ? ": \(String(cString: strerror(code)))" : "")
    }

    private static func complain(_ message: String) {
        FileHandle.standardError.write(Data("Error: \(message)\n".utf8))
    }
}

/// Files that commands read, `-` for standard input.
enum InputFile {
    /// The largest, in bytes: more than any message may have.
    static let maximumBytes = 64 << 20

    /// - Throws: Why it cannot be read, in the system's words.
    static func contents(of path: String) throws -> Data {
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        var data = Data()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(path) }
            if count == 0 { return data }
            data.append(contentsOf: buffer[..<count])
            guard data.count <= maximumBytes else { throw Failure("\(path) has more than \(maximumBytes) bytes") }
        }
    }

    private static func failure(_ path: String) -> Failure {
        let reason = String(cString: strerror(errno))
        return Failure("cannot read \(path == "-" ? "standard input" : path): \(reason)")
    }
}
