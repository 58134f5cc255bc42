/// The client's side of a hub: from messages to intents. Knows in which order messages may come, and nothing of channels, methods or
/// sockets.
///
/// The first message says what is spoken. Until its owner says that the login was accepted, nothing else becomes an intent. A client
/// that goes on with the session of a connection that was cut does not greet: its first message says how it counts its messages.
package struct SignalRMachine: Equatable {
    private enum Phase: UInt8 {
        /// Only the handshake is right.
        case new
        /// The handshake was right, and it is awaited that the session is open.
        case pending
        case open
        /// The client was told to go, or has said that it goes; nothing it says counts.
        case over
    }

    private enum Speech: UInt8 {
        /// The handshake may name either protocol, or only the one that is text.
        case any, textOnly
        case json, messagePack
    }

    private var phase = Phase.new
    private var speech: Speech
    /// Which hub it is.
    package let hub: UInt16

    /// - Parameter isTextOnly: Whether the connection carries nothing but text.
    package init(hub: UInt16, isTextOnly: Bool = false) {
        self.hub = hub
        speech = isTextOnly ? .textOnly : .any
    }

    /// Whether the session is open.
    package var isOpen: Bool { phase == .open }
    /// Whether it is awaited that it is.
    package var isPending: Bool { phase == .pending }

    // MARK: What the owner did

    package mutating func accepted() {
        if phase == .pending { phase = .open }
    }

    package mutating func refused() {
        if phase == .pending { phase = .new }
    }

    // MARK: What the client said

    /// The next command of a message.
    ///
    /// - Returns: Nil after the last one, or when the client was told to go before.
    mutating func next(in message: inout IncomingMessage) -> Intent? {
        let rest = message.rest
        guard phase != .over, !rest.isEmpty else { return nil }
        if phase == .open ? speech == .messagePack : isPacked(rest[0]) { return nextPacked(in: &message) }
        let end = rest.recordSeparator(from: 0)
        guard end < rest.count else {
            return leave(rest.count > message.commandBytes ? .oversizedCommand : .malformed)
        }
        let record = UnsafeRawBufferPointer(rebasing: rest[..<end])
        // Clients send either kind of frame, and only of text it is known to be UTF-8.
        let isText = message.isText && !message.isBegun
        message.take(leaving: rest.count - end - 1)
        guard record.count <= message.commandBytes else { return leave(.oversizedCommand) }
        guard isText || UTF8Validator.isValid(record) else { return leave(.malformed) }
        switch phase {
        case .new: return greeted(record) ?? resumed(SignalRMessage(json: record), .json)
        case .open: return received(SignalRMessage(json: record))
        case .pending, .over: return leave(.malformed)
        }
    }

    /// Whether a first message is in MessagePack: it begins with its length, which is less than any
    /// character that JSON begins with is as a number. (White space but the space itself is no beginning that a client has.)
    private func isPacked(_ byte: UInt8) -> Bool { phase == .new && speech == .any && byte < UInt8(ascii: " ") }

    /// A message behind its length: 7 bits a byte, the lowest first, at most five bytes.
    private mutating func nextPacked(in message: inout IncomingMessage) -> Intent? {
        let rest = message.rest
        var length = 0
        var index = 0
        repeat {
            guard index < min(5, rest.count) else { return leave(.malformed) }
            // trap-ok: a byte becomes wider, and is shifted by 28 bits at most
            length |= Int(rest[index] & 0x7F) << (7 * index)
            index += 1
        } while rest[index - 1] & 0x80 != 0
        guard length <= message.commandBytes else { return leave(.oversizedCommand) }
        guard length <= rest.count - index else { return leave(.malformed) }
        message.take(leaving: rest.count - index - length)
        let read = SignalRMessage(packed: UnsafeRawBufferPointer(rebasing: rest[index..<(index + length)]))
        return phase == .new ? resumed(read, .messagePack) : received(read)
    }

    private mutating func greeted(_ record: UnsafeRawBufferPointer) -> Intent? {
        switch SignalRHandshake.read(record) {
        case .refused(.malformed) where speech == .any && SignalRMessage(json: record)?.kind == .sequence: return nil
        case .refused(let ending): return leave(ending)
        case .accepted(.messagePack, _) where speech == .textOnly: return leave(.wrongEncoding)
        case .accepted(let encoding, let isResumable):
            begin(encoding)
            return .connect(.init(greetingIn: encoding.variant, isResumable: isResumable))
        }
    }

    private mutating func resumed(_ message: SignalRMessage?, _ encoding: SignalREncoding) -> Intent? {
        guard let message, message.kind == .sequence, let next = message.sequence else { return leave(.malformed) }
        begin(encoding)
        return .resume(.init(encoding: encoding.variant, next: next))
    }

    private mutating func begin(_ encoding: SignalREncoding) {
        speech = encoding == .json ? .json : .messagePack
        phase = .pending
    }

    private mutating func received(_ message: SignalRMessage?) -> Intent? {
        guard let message else { return leave(.malformed) }
        let reply = message.id.map { ReplyID.text($0) } ?? .none
        switch message.kind {
        case .invocation:
            guard let method = message.target, let arguments = message.arguments else { return leave(.malformed) }
            // Nobody here takes what would follow.
            if message.hasStreams { return .refuse(reply, .notAvailable) }
            return .call(HubCall(reply: reply, hub: hub, method: method, arguments: arguments))
        case .streamInvocation: return .refuse(reply, .notAvailable)
        case .close: return leave(.left(.normal))
        case .ack: return .acknowledged(message.sequence ?? 0)
        case .sequence: return .renumbered(next: message.sequence ?? 0)
        // Items and ends of streams that were refused, and results that nobody asked for.
        case .streamItem, .completion, .cancelInvocation: return .nothing
        // A ping, and what later versions of the protocol have: neither side counts it.
        case .ping, nil: return .pong
        }
    }

    private mutating func leave(_ ending: Ending) -> Intent? {
        phase = .over
        return .end(ending)
    }
}
