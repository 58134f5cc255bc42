import Codec
import Foundation
import Glibc
import Reactor
import Synchronization

@testable import Backplane

/// A `redis-server` of a test's own, on a Unix socket in a directory of its own, so that no port can be taken. Nothing is
/// written to disk.
final class RedisProcess: Sendable {
    struct CannotStart: Error, CustomStringConvertible {
        let description: String
    }

    /// Where it is installed; nil when it is not.
    static let program: String? = {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders =
            path.split(separator: ":").map(String.init) + ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/sbin"]
        return folders.map { "\($0)/redis-server" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }()

    static let isMissing = "redis-server is not installed: scripts/install.sh names the package"

    private let folder: URL
    let socket: String
    private let isCluster: Bool
    private let process = Mutex<Process?>(nil)

    /// Starts one and waits until it says that it is ready.
    ///
    /// - Parameter isCluster: As a Redis Cluster of one server, which has all slots.
    init(isCluster: Bool = false) throws {
        self.isCluster = isCluster
        // A Unix socket's path has 107 bytes at most.
        folder = URL(fileURLWithPath: "/tmp").appendingPathComponent("carillon-redis-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        socket = folder.appendingPathComponent("redis.sock").path
        try start()
        guard isCluster else { return }
        _ = try command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        // It serves two seconds after it began.
        let deadline = Date() + 20
        while try !command("CLUSTER", "INFO").contains("cluster_state:ok"), Date() < deadline {}
    }

    func start() throws {
        guard let program = Self.program else { throw CannotStart(description: Self.isMissing) }
        let started = Process()
        started.executableURL = URL(fileURLWithPath: program)
        started.arguments = [
            "--port", "0", "--unixsocket", socket, "--dir", folder.path, "--save", "", "--appendonly", "no",
            "--daemonize", "no",
        ]
        if isCluster { started.arguments? += ["--cluster-enabled", "yes"] }
        let output = Pipe()
        started.standardOutput = output
        started.standardError = output
        try started.run()
        process.withLock { $0 = started }
        var text = ""
        while true {
            let data = output.fileHandleForReading.availableData
            text += String(decoding: data, as: UTF8.self)
            if text.contains("ready to accept connections") { break }
            if data.isEmpty { throw CannotStart(description: "redis-server ended: \(text.suffix(1000))") }
        }
        // What it says later is read too, so that it never waits for us.
        output.fileHandleForReading.readabilityHandler = { if $0.availableData.isEmpty { $0.readabilityHandler = nil } }
    }

    /// Ends it at once, as a crash does.
    func kill() {
        process.withLock { running in
            guard let current = running else { return }
            Glibc.kill(current.processIdentifier, SIGKILL)
            current.waitUntilExit()
            running = nil
        }
        try? FileManager.default.removeItem(atPath: socket)
    }

    func stop() {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    /// Sends a command on a connection of its own and waits for the answer. Not by `redis-cli`: a server that is started at the same
    /// moment would inherit the pipe, and there would be no end to read.
    ///
    /// - Returns: Its answer, a list line by line.
    func command(_ words: String...) throws -> String {
        let descriptor = try Socket.connect(to: .unix(socket))
        defer { Socket.close(descriptor) }
        let writer = ByteWriter()
        RESPWriter.command(words.map { Array($0.utf8) }, to: writer)
        var answer: String?
        let reader = RESPReader { if case .value(let value) = $0 { answer = Self.text(value) } }
        var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&wanted, 1, 5000) == 1,
            send(descriptor, writer.bytes.baseAddress, writer.bytes.count, Int32(MSG_NOSIGNAL)) == writer.bytes.count
        else { throw CannotStart(description: "redis-server takes no command") }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while answer == nil {
            wanted.events = Int16(POLLIN)
            guard poll(&wanted, 1, 5000) == 1 else { break }
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            try buffer[..<count].withUnsafeBytes { try reader.feed($0) }
        }
        guard let answer else { throw CannotStart(description: "redis-server does not answer \(words)") }
        return answer
    }

    private static func text(_ value: RESPValue) -> String {
        if case .array(let elements) = value { return elements.map(text).joined(separator: "\n") }
        return value.text ?? "\(value)"
    }

    func keys() throws -> Set<String> { Set(try command("KEYS", "*").split(separator: "\n").map(String.init)) }

    func configuration(prefix: String = "test") -> RedisConfiguration {
        RedisConfiguration(endpoint: .unix(path: socket), prefix: prefix)
    }
}
