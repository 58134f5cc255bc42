import Foundation
import Testing

/// Fixtures/server.py on a free port, with a file of its own to serve.
final class JWKSServer {
    private let process = Process()
    private let input = Pipe()
    private let directory: URL
    let port: Int

    init(serving keys: String) throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("carillon-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", Fixtures.path("server.py"), directory.appendingPathComponent("jwks").path]
        process.standardInput = input
        process.standardOutput = output
        try Data(keys.utf8).write(to: directory.appendingPathComponent("jwks"))
        try process.run()
        // The line comes when the port is bound.
        var line = ""
        while !line.hasSuffix("\n") {
            let data = output.fileHandleForReading.availableData
            if data.isEmpty { break }
            line += String(decoding: data, as: UTF8.self)
        }
        port = try #require(Int(line.trimmingCharacters(in: .newlines)))
    }

    func url(_ path: String = "/jwks.json") -> String { "http://127.0.0.1:\(port)\(path)" }

    func serve(_ keys: String) throws {
        try Data(keys.utf8).write(to: directory.appendingPathComponent("jwks"), options: .atomic)
    }

    /// Gone when this returns. Not by `waitUntilExit`, which learns of the end through a socket that other children of
    /// this process may have inherited, and then waits for those too.
    func stop() {
        let id = process.processIdentifier
        if process.isRunning, kill(id, SIGKILL) == 0 {
            var ended = siginfo_t()
            _ = waitid(P_PID, id_t(id), &ended, WEXITED | WNOWAIT)
        }
        try? FileManager.default.removeItem(at: directory)
    }
}
