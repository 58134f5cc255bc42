import Foundation
import Glibc
import Testing

@testable import Node

@Suite struct ConfigurationSourceTests {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "source-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func problem(_ path: String, isOpen: Bool = true) -> String? {
        do {
            _ = try ConfigurationSource(path: path) { [:] }.read(isOpen: isOpen)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test func theFileAndTheEnvironmentAreReadEachTime() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "c.yaml").path
        try "limits: { publish_rate: 5 }\n".write(toFile: path, atomically: true, encoding: .utf8)
        let source = ConfigurationSource(path: path) { ["CARILLON_LOG_LEVEL": "debug"] }
        #expect(try source.read().publishRate == 5 && source.read().logLevel == .debug)
        try "limits: { publish_rate: 6 }\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try source.read(isOpen: true).publishRate == 6)
        #expect(try ConfigurationSource(path: nil) { [:] }.read(isOpen: true) == Configuration())
    }

    /// Each names the file.
    @Test func whatCannotBeReadIsSaid() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "c.yaml").path
        #expect(problem(path) == "\(path): the file cannot be read: No such file or directory")
        // At the start as later, and nobody waits for a writer.
        for isOpen in [false, true] {
            #expect(
                problem(folder.path, isOpen: isOpen)
                    == "\(folder.path): the file cannot be read: it is a directory, not a regular file")
            #expect(mkfifo(path, 0o600) == 0)
            #expect(
                problem(path, isOpen: isOpen) == "\(path): the file cannot be read: it is a pipe, not a regular file")
            unlink(path)
        }
        try Data([0xFF, 0xFE]).write(to: folder.appending(path: "c.yaml"))
        #expect(problem(path) == "\(path): this is not UTF-8 text")
        try Data(repeating: UInt8(ascii: "#"), count: ConfigurationReader.maximumFileBytes + 1).write(
            to: folder.appending(path: "c.yaml"))
        #expect(problem(path) == "\(path): the file has more than 1048576 bytes")
        try "limits: { publish_rate: x }\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(problem(path)?.hasPrefix("\(path):1:25: ") == true)
    }

    /// What a shell hands over: `serve --config <(make-configuration)`.
    @Test func whatIsOpenAlreadyIsReadByItsNumber() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        for (path, descriptor) in [
            ("-", 0), ("/dev/stdin", 0), ("/dev/fd/63", 63), ("/proc/self/fd/7", 7),
        ] as [(String, Int32)] { #expect(ConfigurationSource.givenDescriptor(path) == descriptor) }
        for path in ["/dev/fd/", "/dev/fd/x", "/dev/fd/+1", "/dev/fd/99999999999", "/dev/fd/1/x", "c.yaml", "./-", ""] {
            #expect(ConfigurationSource.givenDescriptor(path) == nil)
        }
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        let text = "limits: { publish_rate: 7 }\n"
        #expect(write(ends[1], text, text.utf8.count) == text.utf8.count)
        close(ends[1])
        defer { close(ends[0]) }
        let source = ConfigurationSource(path: "/dev/fd/\(ends[0])") { [:] }
        // A running node does not wait for it.
        #expect(throws: ConfigurationError.self) { try source.read(isOpen: true) }
        #expect(try source.read().publishRate == 7)
        // A file, on the contrary, can be read again.
        try text.write(to: folder.appending(path: "c.yaml"), atomically: true, encoding: .utf8)
        let file = open(folder.appending(path: "c.yaml").path, O_RDONLY)
        defer { close(file) }
        let again = ConfigurationSource(path: "/dev/fd/\(file)") { [:] }
        #expect(try again.read().publishRate == 7 && again.read(isOpen: true).publishRate == 7)
    }
}
