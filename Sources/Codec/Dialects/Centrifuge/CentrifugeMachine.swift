/// The client's side of the Centrifuge protocol: from commands to intents. Knows the order in which commands may come, and
/// nothing of channels, permissions or sockets; in which encoding a command came was the concern of whoever read it.
///
/// Until its owner says that a `connect` was accepted, no command but `connect` becomes an intent. The owner tells the
/// machine what became of a `connect`; the machine never assumes it.
///
/// A client without commands says one thing, its connect request. What it says afterwards means nothing.
package struct CentrifugeMachine: Equatable {
    private enum Phase: UInt8 {
        /// Only `connect` is right.
        case new
        /// A `connect` was taken, and its verdict is awaited. No command is right.
        case pending
        /// A `connect` was accepted: the session is authenticated.
        case connected
        /// The client was told to go; nothing it says counts.
        case over
    }

    private var phase = Phase.new
    /// The client has no commands.
    private let isUnidirectional: Bool
    /// A ping was sent, and its pong has not come.
    package private(set) var awaitsPong = false

    package init(isUnidirectional: Bool = false) { self.isUnidirectional = isUnidirectional }

    /// Whether the session is authenticated.
    package var isConnected: Bool { phase == .connected }
    /// Whether the verdict about a `connect` is awaited.
    package var isPending: Bool { phase == .pending }

    // MARK: What the owner did

    /// The `connect` that was awaited is accepted: commands may follow.
    package mutating func accepted() {
        if phase == .pending { phase = .connected }
    }

    /// The `connect` that was awaited is refused with an error: the client may try again on the same connection.
    package mutating func refused() {
        if phase == .pending { phase = .new }
    }

    /// We have sent a ping.
    package mutating func pinged() { awaitsPong = true }

    // MARK: What the client said

    /// The next command of a message.
    ///
    /// - Returns: Nil after the last one, or when the client was told to go before.
    mutating func next(
        in message: inout IncomingMessage, as encoding: CentrifugeEncoding = .json, hint: ChannelName?
    ) -> Intent? {
        if isUnidirectional { return nextOfFew(in: &message) }
        guard message.isText == (encoding == .json) || message.isBegun else { return received(.wrongEncoding) }
        let next: CentrifugeLines.Next?
        let rest: Int
        switch encoding {
        case .json:
            var lines = CentrifugeLines(message.rest, isBegun: message.isBegun)
            next = lines.next()
            rest = lines.rest.count
        case .protobuf:
            var messages = CentrifugeMessages(message.rest, isBegun: message.isBegun)
            next = messages.next()
            rest = messages.rest.count
        }
        guard let next else { return nil }
        message.take(leaving: rest)
        switch next {
        case .command(let bytes) where bytes.count > message.commandBytes: return received(.oversizedCommand)
        case .command(let bytes): return received(bytes, as: encoding, hint: hint)
        case .malformed: return received(.malformed)
        }
    }

    /// The connect request of a client without commands, and what follows it.
    private mutating func nextOfFew(in message: inout IncomingMessage) -> Intent? {
        guard phase != .over, !message.isBegun else { return nil }
        let bytes = message.rest
        message.take(leaving: 0)
        guard phase == .new else { return .nothing }
        guard message.isText else { return received(.wrongEncoding) }
        guard bytes.count <= message.commandBytes else { return received(.oversizedCommand) }
        guard let request = CentrifugeRequest(connect: bytes) else { return received(.malformed) }
        if let failure = request.unserved(in: .connect) {
            return received(failure == .malformed ? .malformed : .notAvailable)
        }
        switch connect(.none, request) {
        case .connect(let connect):
            phase = .pending
            return .connect(connect)
        // It cannot try again.
        default: return received(.malformed)
        }
    }

    /// Something came that is no command.
    package mutating func received(_ violation: Ending) -> Intent? {
        guard phase != .over else { return nil }
        phase = .over
        return .end(violation)
    }

    /// One command came. The owner carries the intent out before it gives the next command.
    ///
    /// - Parameter hint: A channel that is likely to be named: then the name is used again instead of a copy.
    /// - Returns: Nil when the client was told to go before.
    package mutating func received(
        _ bytes: UnsafeRawBufferPointer, as encoding: CentrifugeEncoding = .json, hint: ChannelName? = nil
    ) -> Intent? {
        guard phase != .over else { return nil }
        guard let command = encoding == .json ? CentrifugeCommand(bytes) : CentrifugeCommand(protobuf: bytes) else {
            return received(.malformed)
        }
        guard let method = command.method else {
            // An empty command is a pong, and only right as the answer to a ping.
            guard command.id == 0, awaitsPong, phase == .connected else { return received(.malformed) }
            awaitsPong = false
            return .pong
        }
        guard command.id != 0 || method == .send, method != .ping,
            method == .connect ? phase == .new : phase == .connected
        else { return received(.malformed) }
        let intent = intent(of: method, ReplyID(command.id), command.request, hint)
        switch intent {
        case .end: phase = .over
        case .connect: phase = .pending
        default: break
        }
        return intent
    }

    private func intent(
        of method: CentrifugeCommand.Method, _ reply: ReplyID, _ request: CentrifugeRequest, _ hint: ChannelName?
    ) -> Intent {
        if let failure = request.unserved(in: method) { return .refuse(reply, failure) }
        switch method {
        case .connect: return connect(reply, request)
        case .subscribe, .unsubscribe, .publish, .history, .presence, .presenceStats, .subRefresh:
            // A channel that cannot be is an error of its own; none at all, as Centrifugo has it, a broken client.
            guard let text = request.channel, !text.isEmpty else { return .end(.malformed) }
            if let hint, text.isName(hint) { return intent(of: method, reply, hint, request) }
            guard let bytes = text.unescaped else { return .end(.malformed) }
            guard let channel = try? ChannelName(validating: bytes) else { return .refuse(reply, .malformed) }
            return intent(of: method, reply, channel, request)
        case .send:
            // Nobody here takes messages without a channel, and a command without a reply has no other refusal.
            return .end(.notAvailable)
        case .rpc:
            guard let method = Self.text(request.remoteMethod) else { return .end(.malformed) }
            let isJSON = request.encoding == .json || request.data.map { PayloadKind(of: $0) == .json } ?? false
            return .rpc(RemoteCall(reply: reply, method: method ?? [], data: request.data, isJSON: isJSON))
        case .ping:
            return .refuse(reply, .notAvailable)
        case .refresh:
            // Without a token there is nothing to refresh with: the client is broken.
            guard let token = Self.text(request.token), let token, !token.isEmpty else { return .end(.malformed) }
            return .refresh(reply, token: token)
        }
    }

    private func connect(_ reply: ReplyID, _ request: CentrifugeRequest) -> Intent {
        // Texts that stand for no characters are a broken client's.
        guard let token = Self.text(request.token), let name = Self.text(request.name),
            let version = Self.text(request.version)
        else { return .end(.malformed) }
        guard let headers = request.headers else { return .refuse(reply, .malformed) }
        return .connect(
            .init(
                reply: reply, token: token, name: name, version: version,
                data: request.data.flatMap { $0.isEqual(to: "null") ? nil : $0 },
                known: request.known.filter(\.isRecovering).compactMap(Self.known), headers: headers,
                wanted: isUnidirectional ? request.known.compactMap { Self.name($0.channel) } : []))
    }

    private func intent(
        of method: CentrifugeCommand.Method, _ reply: ReplyID, _ channel: ChannelName, _ request: CentrifugeRequest
    ) -> Intent {
        switch method {
        case .subscribe:
            guard let token = Self.text(request.token), let epoch = Self.text(request.epoch) else {
                return .end(.malformed)
            }
            let takesDeltas = request.delta.map { !$0.isEmpty } ?? false
            // A format of deltas that the protocol does not have.
            if takesDeltas, request.delta?.bytes.isEqual(to: "fossil") != true { return .end(.malformed) }
            return .subscribe(
                .init(
                    reply: reply, channel: channel,
                    seen: request.isRecovering
                        ? ClientPosition(epoch: epoch ?? [], offset: ClientOffset(clamping: request.offset)) : nil,
                    token: token,
                    rejectsUnrecovered: request.isRecovering
                        && request.flag & CentrifugeRequest.Flag.rejectsUnrecovered != 0,
                    takesDeltas: takesDeltas, filter: request.filter?.filter))
        case .history:
            guard let epoch = Self.text(request.epoch) else { return .end(.malformed) }
            return .history(
                .init(
                    reply: reply, channel: channel,
                    since: request.hasSince
                        ? ClientPosition(epoch: epoch ?? [], offset: ClientOffset(clamping: request.offset)) : nil,
                    limit: request.limit, isReverse: request.isReverse))
        case .subRefresh:
            guard let token = Self.text(request.token), let token, !token.isEmpty else {
                return .refuse(reply, .malformed)
            }
            return .refreshSubscription(reply, channel, token: token)
        case .unsubscribe: return .unsubscribe(reply, channel)
        case .publish:
            guard let data = request.data else { return .refuse(reply, .malformed) }
            // In JSON the data is one value; in Protobuf a client cannot say what its bytes are.
            let kind = request.encoding == .json ? .json : PayloadKind(of: data)
            return .publish(.init(reply: reply, channel: channel, kind: kind, data: data))
        case .presence: return .presence(reply, channel, .clients)
        case .presenceStats: return .presence(reply, channel, .count)
        default: return .refuse(reply, .notAvailable)
        }
    }

    /// An entry of `subs`; one that cannot be is none of ours.
    private static func known(_ entry: CentrifugeKnown) -> (channel: ChannelName, seen: ClientPosition)? {
        guard let channel = name(entry.channel), let epoch = text(entry.epoch) else { return nil }
        return (channel, ClientPosition(epoch: epoch ?? [], offset: ClientOffset(clamping: entry.offset)))
    }

    private static func name(_ text: CentrifugeText) -> ChannelName? {
        text.unescaped.flatMap { try? ChannelName(validating: $0) }
    }

    /// A text; nil inside when the field is not set, nil outside when it is no text.
    private static func text(_ field: CentrifugeText?) -> [UInt8]?? {
        guard let field else { return .some(nil) }
        guard let text = field.unescaped else { return nil }
        return .some(text)
    }
}
