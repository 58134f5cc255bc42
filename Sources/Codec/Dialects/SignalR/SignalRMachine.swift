/// The client's side of a hub: from messages to intents. Knows in which order messages may come, and nothing of channels, methods or
/// sockets.
///
/// The first message says what is spoken. Until its owner says that the login was accepted, nothing else becomes an intent.
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
        if phase == .open, speech == .messagePack { return nextPacked(in: &message) }
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
        case .new: return greeted(record)
        case .open: return received(SignalRMessage(json: record))
        case .pending, .over: return leave(.malformed)
        }
    }

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
        return received(SignalRMessage(packed: UnsafeRawBufferPointer(rebasing: rest[index..<(index + length)])))
    }

    private mutating func greeted(_ record: UnsafeRawBufferPointer) -> Intent? {
        switch SignalRHandshake.read(record) {
        case .refused(let ending): return leave(ending)
        case .accepted(.messagePack) where speech == .textOnly: return leave(.wrongEncoding)
        case .accepted(let encoding):
            speech = encoding == .json ? .json : .messagePack
            phase = .pending
            return .connect(.init(greetingIn: encoding.variant))
        }
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
        // Items and ends of streams that were refused, results that nobody asked for, counts of messages that nobody keeps, and what
        // later versions of the protocol have.
        case .streamItem, .completion, .cancelInvocation, .ack, .sequence, .ping, nil: return .nothing
        }
    }

    private mutating func leave(_ ending: Ending) -> Intent? {
        phase = .over
        return .end(ending)
    }
}
