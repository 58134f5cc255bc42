import Files
import Glibc

/// Where a node's configuration comes from: a file, or none, and the environment. Read at the start, and again at each reload.
package struct ConfigurationSource: Sendable {
    package let path: String?
    /// The variables of this moment, by their names.
    private let environment: @Sendable () -> [String: String]

    /// - Parameter path: Of the file; nil for none, `-` for standard input.
    package init(path: String?, environment: @escaping @Sendable () -> [String: String]) {
        self.path = path
        self.environment = environment
    }

    /// What the file is called in errors, where nothing is said about one.
    package var name: String { path ?? "configuration" }

    /// Reads everything again. Files are read, so not on a reactor.
    ///
    /// - Parameter isOpen: Whether a running node reads: then nothing but a regular file is taken, because a pipe could be waited for
    ///   without end, and has given its text already.
    /// - Throws: Everything that is wrong, each with its place.
    package func read(isOpen: Bool = false) throws(ConfigurationError) -> Configuration {
        var text: String?
        if let path {
            let bytes = try Self.contents(of: path, isOpen: isOpen)
            guard let decoded = String(validating: bytes, as: UTF8.self) else {
                throw Self.error(path, "this is not UTF-8 text")
            }
            text = decoded
        }
        return try ConfigurationReader.read(text, source: name, environment: environment())
    }

    private static func error(_ path: String, _ message: String) -> ConfigurationError {
        ConfigurationError(problems: [.init(source: path, line: nil, column: nil, message: message)])
    }

    private static func contents(of path: String, isOpen: Bool) throws(ConfigurationError) -> [UInt8] {
        let limit = ConfigurationReader.maximumFileBytes
        do throws(FileError) {
            guard let descriptor = givenDescriptor(path) else { return try FileContents.of(path, limit: limit) }
            return try FileContents.of(descriptor: descriptor, limit: limit, waits: !isOpen)
        } catch {
            if case .tooLarge = error { throw Self.error(path, ConfigurationReader.tooLarge) }
            throw Self.error(path, "the file cannot be read: \(error)")
        }
    }

    /// The number that a path gives of something that is open already: what a shell hands over by `<`, `|` and `<(…)`.
    static func givenDescriptor(_ path: String) -> Int32? {
        if path == "-" || path == "/dev/stdin" { return STDIN_FILENO }
        for folder in ["/dev/fd/", "/proc/self/fd/"] where path.hasPrefix(folder) {
            let digits = path.dropFirst(folder.count)
            guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
            return Int32(digits)
        }
        return nil
    }
}
