package import Codec
import Glibc
package import Reactor

/// What a client connection tells.
package enum ClientEvent: Sendable, Equatable {
    /// The WebSocket is open.
    case opened
    case message(Opcode, [UInt8])
    case pong
    /// The end, said once: with the other side's close code and reason, or 1006 and what happened.
    case closed(CloseCode, reason: String)
}

/// One WebSocket connection as a client. On its reactor only, hence `@unchecked Sendable`.
package final class ClientConnection: ConnectionDelegate, @unchecked Sendable {
    package let target: Target
    private let connection: Connection
    private let protocols: [String]
    private let limits: FrameLimits
    private let received: (ClientEvent) -> Void
    private let handshake: ClientHandshake
    private let tls: TLSContext?
    private var reader = FrameReader(role: .client)
    /// There when messages may come compressed.
    private var inflater: Inflater?
    private var head: [UInt8] = []
    private var phase = Phase.idle
    private let writer = ByteWriter()
    private var ending: (CloseCode, String)?

    private enum Phase { case idle, shaking, open, closing, closed }

    /// What may wait to be sent, in bytes.
    package static let outboundLimit = 16 * 1024 * 1024
    /// How long connecting may take.
    package static let connectDeadline = Duration.seconds(10)
    /// How long the other side has to answer a close frame (RFC 6455 7.1.1 leaves it to us).
    package static let closeDeadline = Duration.seconds(2)

    private let reactor: Reactor

    /// - Parameters:
    ///   - headers: More lines of the request, without line breaks in them.
    ///   - tls: For `wss://`; nil trusts those the system trusts.
    ///   - offersCompression: Whether permessage-deflate is offered (RFC 7692); a server may decline it. What is sent is
    ///     never compressed, which the extension allows.
    package init(
        reactor: Reactor, target: Target, protocols: [String] = [],
        headers: [(name: String, value: String)] = [], tls: TLSContext? = nil,
        offersCompression: Bool = false,
        limits: FrameLimits = FrameLimits(messageBytes: 16 * 1024 * 1024),
        received: @escaping (ClientEvent) -> Void
    ) {
        self.reactor = reactor
        self.target = target
        self.protocols = protocols
        self.limits = limits
        self.received = received
        var generator = SystemRandomNumberGenerator()
        self.tls = tls
        handshake = ClientHandshake(
            key: Base64.encode((0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }),
            offersCompression: offersCompression, headers: headers)
        connection = Connection(reactor: reactor, outboundLimit: Self.outboundLimit)
        connection.delegate = self
    }

    deinit { reader.reset() }

    package var isOpen: Bool { phase == .open }
    /// Whether the server agreed to compress; known when the connection is open.
    package var isCompressed: Bool { inflater != nil }

    /// Connects; once in a connection's life.
    package func open() {
        guard phase == .idle else { return }
        phase = .shaking
        do {
            let encryption = try target.isEncrypted ? encryption() : nil
            connection.connect(to: target.addresses, deadline: Self.connectDeadline, encryption: encryption)
        } catch {
            finish(.abnormal, error.description)
        }
    }

    private func encryption() throws(TLSError) -> ConnectionEncryption {
        let context = if let tls { tls } else { try TLSContext(TLSClientConfiguration()) }
        return ConnectionEncryption(context: context, serverName: target.host)
    }

    package func send(_ opcode: Opcode, _ payload: UnsafeRawBufferPointer) {
        guard phase == .open else { return }
        FrameWriter.writeMasked(opcode, payload, key: .random(in: 1...UInt32.max), to: writer)
        connection.write(writer.bytes)
        writer.removeAll()
    }

    package func send(text: String) {
        var text = text
        text.withUTF8 { send(.text, UnsafeRawBufferPointer($0)) }
    }

    package func ping() { send(.ping, UnsafeRawBufferPointer(start: nil, count: 0)) }

    /// Says goodbye and waits shortly for the answer.
    package func close(_ code: CloseCode = .normal, reason: String = "") {
        switch phase {
        case .open:
            sendClose(code, reason)
            phase = .closing
            reactor.schedule(after: Self.closeDeadline) { [weak self] in self?.connection.close() }
        case .idle, .shaking: finish(.abnormal, "closed before it was open")
        case .closing, .closed: break
        }
    }

    private func sendClose(_ code: CloseCode, _ reason: String) {
        let payload = FrameWriter.closePayload(code, reason: reason)
        payload.withUnsafeBytes { send(.close, $0) }
    }

    private func finish(_ code: CloseCode, _ reason: String) {
        guard phase != .closed else { return }
        ending = (code, reason)
        phase = .closed
        // Reports through `closed`, when there is a connection; otherwise there is nobody else to say it.
        connection.close()
        report()
    }

    private func report() {
        guard let (code, reason) = ending else { return }
        ending = nil
        received(.closed(code, reason: reason))
    }

    // MARK: ConnectionDelegate

    package func connected(_ connection: Connection) {
        handshake.writeRequest(to: target, protocols: protocols, in: writer)
        connection.write(writer.bytes)
        writer.removeAll()
    }

    package func received(_ connection: Connection, bytes: UnsafeMutableRawBufferPointer) {
        guard phase == .shaking else { return receive(bytes) }
        head.append(contentsOf: bytes)
        switch head.withUnsafeBytes({ handshake.check($0) }) {
        case .incomplete: break
        case .refused(let reason): finish(.abnormal, "refused: \(reason)")
        case .opened(let consumed, let isCompressed):
            var rest = Array(head[consumed...])
            head = []
            if isCompressed {
                inflater = Inflater()
                reader = FrameReader(role: .client, allowsCompression: true)
            }
            phase = .open
            received(.opened)
            rest.withUnsafeMutableBytes { receive($0) }
        }
    }

    package func closed(_ connection: Connection, reason: ConnectionClosed) {
        if phase != .closed {
            phase = .closed
            ending = ending ?? (.abnormal, reason.description)
        }
        report()
    }

    private func receive(_ bytes: UnsafeMutableRawBufferPointer) {
        guard phase == .open || phase == .closing else { return }
        reader.receive(bytes, limits: limits) { event in
            switch event {
            case .message(let opcode, let payload): received(.message(opcode, Array(payload)))
            case .compressed(let opcode, let payload):
                if let error = inflate(opcode, payload) { broken(error) }
            case .ping(let payload): send(.pong, payload)
            case .pong: received(.pong)
            case .close(let code, let reason): closeReceived(code, String(decoding: reason, as: UTF8.self))
            case .failure(let error): broken(error)
            }
            return phase == .open || phase == .closing
        }
    }

    /// - Returns: What was wrong with the message.
    private func inflate(_ opcode: Opcode, _ payload: UnsafeRawBufferPointer) -> FrameError? {
        // Without an agreement the reader refuses compressed frames.
        switch inflater?.inflate(payload, limit: limits.messageBytes) {
        case .message(let message):
            if opcode == .text, !UTF8Validator.isValid(message) { return .notUTF8 }
            received(.message(opcode, Array(message)))
            return nil
        case .tooLarge: return .messageTooBig
        case .malformed, nil: return .notDeflate
        }
    }

    private func broken(_ error: FrameError) {
        sendClose(error.closeCode, error.reason)
        connection.flush()
        finish(error.closeCode, "the server broke the protocol: \(error.reason)")
    }

    private func closeReceived(_ code: CloseCode?, _ reason: String) {
        if phase == .open {
            sendClose(code ?? .normal, "")
            connection.flush()
        }
        finish(code ?? .noStatus, reason)
    }
}
