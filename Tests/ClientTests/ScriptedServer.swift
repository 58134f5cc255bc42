import Codec
import Glibc
import Reactor

@testable import Client

/// A server with one client and a script: what to send after the handshake, in which pieces. Blocking, on a thread.
final class ScriptedServer: @unchecked Sendable {
    enum Step: Sendable {
        case send([UInt8])
        /// Waits for so many bytes from the client and keeps them.
        case receive(Int)
        case close
    }

    let target: Target
    private let listener: Int32
    private let steps: [Step]
    private let accepts: Bool
    private var thread = pthread_t()
    private var kept: [UInt8] = []

    private let tls: TLSContext?
    private let extensions: String?

    /// - Parameters:
    ///   - extensions: What the reply says of extensions.
    ///   - tls: Encrypts with it.
    init(accepts: Bool = true, extensions: String? = nil, tls: TLSContext? = nil, _ steps: [Step]) throws {
        listener = try Socket.listen(on: SocketAddress(ip: "127.0.0.1", port: 0), reusePort: false)
        let port = Socket.localAddress(of: listener)?.port ?? 0
        target = try Target(parsing: "\(tls == nil ? "ws" : "wss")://127.0.0.1:\(port)/raw?channel=a")
        self.steps = steps
        self.accepts = accepts
        self.tls = tls
        self.extensions = extensions
        let flags = fcntl(listener, F_GETFL)
        _ = fcntl(listener, F_SETFL, flags & ~O_NONBLOCK)
        let context = Unmanaged.passRetained(self).toOpaque()
        pthread_create(
            &thread, nil,
            { context in
                Unmanaged<ScriptedServer>.fromOpaque(context!).takeRetainedValue().serve()
                return nil
            }, context)
    }

    /// What the client sent for the script's `receive` steps; waits for the script's end.
    func finish() -> [UInt8] {
        pthread_join(thread, nil)
        return kept
    }

    private func serve() {
        let descriptor = accept(listener, nil, nil)
        defer { Glibc.close(listener) }
        let client: Stream
        do {
            client = try tls.map { try Stream(descriptor: descriptor, context: $0) } ?? Stream(descriptor: descriptor)
        } catch {
            return Socket.close(descriptor)
        }
        defer { client.close() }
        // The socket blocks; TLS asks it once each time.
        var result = HandshakeResult.wantsRead
        while result == .wantsRead { result = client.handshake() }
        guard result == .done else { return }
        var request: [UInt8] = []
        var byte: UInt8 = 0
        while !request.suffix(4).elementsEqual(Array("\r\n\r\n".utf8)) {
            guard read(client, &byte) else { return }
            request.append(byte)
        }
        guard accepts, let key = Self.key(of: request) else {
            return write(client, Array("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".utf8))
        }
        let reply = ByteWriter()
        Handshake.writeResponse(accept: Handshake.accept(for: key), protocol: nil, extensions: extensions, to: reply)
        write(client, Array(reply.bytes))
        for step in steps {
            switch step {
            case .send(let bytes): write(client, bytes)
            case .receive(let count):
                for _ in 0..<count {
                    guard read(client, &byte) else { return }
                    kept.append(byte)
                }
            case .close: return
            }
        }
        // Until the client goes.
        while read(client, &byte) {}
    }

    /// TLS has to be asked again when a part of a record came.
    private func read(_ client: Stream, _ byte: inout UInt8) -> Bool {
        while true {
            switch withUnsafeMutableBytes(of: &byte, { client.read(into: $0) }) {
            case .bytes: return true
            case .wouldBlock: continue
            case .end, .failed: return false
            }
        }
    }

    private static func key(of request: [UInt8]) -> String? {
        for line in String(decoding: request, as: UTF8.self).split(separator: "\r\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "sec-websocket-key" {
                return String(parts[1].drop { $0 == " " })
            }
        }
        return nil
    }

    private func write(_ client: Stream, _ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { client.send($0) }
    }
}
