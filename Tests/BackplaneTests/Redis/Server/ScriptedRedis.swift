import Codec
import Glibc
import Reactor

@testable import Backplane

/// The other side of a link, as far as a test wants it: a listener on the loopback that answers as a master does, unless the test
/// has something else to say. On a reactor of its own.
final class ScriptedRedis: ReactorHandler, @unchecked Sendable {
    enum Answer: Sendable {
        /// As a master would.
        case usual
        case text(String)
        case nothing
        /// Ends the connection.
        case close
    }

    let port: UInt16
    private let reactor: Reactor
    private let listener: Int32
    private var handler: HandlerID!
    private var clients: [UInt32: Client] = [:]
    private var next: UInt32 = 1
    private var script: (([String]) -> Answer)?

    private final class Client {
        let descriptor: Int32
        var reader: RESPReader?
        var channels: [String] = []

        init(_ descriptor: Int32) { self.descriptor = descriptor }
    }

    /// - Parameter script: What is answered to a command, on the reactor of this.
    init(_ script: (([String]) -> Answer)? = nil) throws {
        self.script = script
        reactor = try Reactor(index: 0, name: "redis")
        listener = try Socket.listen(on: try SocketAddress(parsing: "127.0.0.1:0"), backlog: 16, reusePort: false)
        guard case .ipv4(_, let port)? = Socket.localAddress(of: listener) else { throw EnvelopeError.truncated }
        self.port = port
        handler = reactor.add(handler: self)
        try reactor.register(listener, for: .readable, handler: handler, slot: 0, generation: 0)
        reactor.start()
    }

    var configuration: RedisConfiguration {
        RedisConfiguration(endpoint: .tcp(host: "127.0.0.1", port: port), prefix: "test")
    }

    func stop() async {
        await reactor.perform {
            for slot in self.clients.keys { self.close(slot) }
            Socket.close(self.listener)
        }
        reactor.stop()
    }

    /// From here on it answers like this.
    func answer(_ script: (@Sendable ([String]) -> Answer)?) async { await reactor.perform { self.script = script } }

    func send(toAll text: String) async {
        await reactor.perform { for client in self.clients.values { self.send(client, Array(text.utf8)) } }
    }

    func closeAll() async { await reactor.perform { for slot in self.clients.keys { self.close(slot) } } }

    func ready(slot: UInt32, generation: UInt32, readiness: Readiness) {
        guard slot > 0 else { return accept() }
        guard let client = clients[slot] else { return }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = read(client.descriptor, &buffer, buffer.count)
        guard count > 0 else {
            if count == 0 || errno != EAGAIN { close(slot) }
            return
        }
        do {
            try buffer[..<count].withUnsafeBytes { try client.reader?.feed($0) }
        } catch {
            close(slot)
        }
    }

    func timerFired(slot: UInt32, generation: UInt32, tag: UInt8) {}

    private func accept() {
        guard case .accepted(let descriptor, _) = Socket.accept(listener) else { return }
        let client = Client(descriptor)
        let slot = next
        next += 1
        clients[slot] = client
        // A command is an array of bulk strings, as some replies are.
        client.reader = RESPReader { [unowned self] reply in
            guard case .value(.array(let words)) = reply, clients[slot] != nil else { return }
            received(words.map { $0.bytes ?? [] }, slot, client)
        }
        try? reactor.register(descriptor, for: .readable, handler: handler, slot: slot, generation: 0)
    }

    private func close(_ slot: UInt32) {
        guard let client = clients.removeValue(forKey: slot) else { return }
        reactor.deregister(client.descriptor)
        Socket.close(client.descriptor)
    }

    private func send(_ client: Client, _ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(client.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 || errno == EAGAIN else { return }
            sent += max(0, count)
        }
    }

    private func received(_ words: [[UInt8]], _ slot: UInt32, _ client: Client) {
        let texts = words.map { String(decoding: $0, as: UTF8.self) }
        switch script?(texts) ?? .usual {
        case .usual: usual(words, texts, client)
        case .text(let text): send(client, Array(text.utf8))
        case .nothing: break
        case .close: close(slot)
        }
    }

    private static func bulk(_ bytes: [UInt8]) -> [UInt8] {
        Array("$\(bytes.count)\r\n".utf8) + bytes + Array("\r\n".utf8)
    }

    private func usual(_ words: [[UInt8]], _ texts: [String], _ client: Client) {
        switch texts[0] {
        case "INFO": send(client, Self.bulk(Array("# Server\r\nrun_id:scripted\r\n".utf8)))
        case "SCRIPT": send(client, Self.bulk([UInt8](repeating: 0x61, count: 40)))
        case "ROLE": send(client, Array("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n".utf8))
        case "GET": send(client, Self.bulk(Array("2".utf8)))
        case "PING":
            send(client, Array((client.channels.isEmpty ? "+PONG\r\n" : "*2\r\n$4\r\npong\r\n$0\r\n\r\n").utf8))
        case "SUBSCRIBE":
            for (name, bytes) in zip(texts, words).dropFirst() {
                client.channels.append(name)
                send(client, Array("*3\r\n$9\r\nsubscribe\r\n".utf8) + Self.bulk(bytes) + Array(":1\r\n".utf8))
            }
        case "PUBLISH":
            let heard = clients.values.filter { $0.channels.contains(texts[1]) }
            for one in heard {
                send(one, Array("*3\r\n$7\r\nmessage\r\n".utf8) + Self.bulk(words[1]) + Self.bulk(words[2]))
            }
            send(client, Array(":\(heard.count)\r\n".utf8))
        case "PEXPIRE", "DEL": send(client, Array(":1\r\n".utf8))
        case "SMEMBERS": send(client, Array("*0\r\n".utf8))
        // What the publish script answers to a publication that is not kept.
        case "EVALSHA": send(client, Array("*2\r\n:0\r\n$0\r\n\r\n".utf8))
        default: send(client, Array("+OK\r\n".utf8))
        }
    }
}

extension RESPValue {
    fileprivate var bytes: [UInt8]? { if case .bulk(let bytes) = self { bytes } else { nil } }
}
