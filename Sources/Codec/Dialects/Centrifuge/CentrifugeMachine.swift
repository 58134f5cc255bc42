/// What a client of the centrifuge dialect asks for. Pointers are valid until the callback returns.
package enum CentrifugeIntent {
    package struct Connect {
        package let id: UInt32
        package let token: [UInt8]?
        package let name: [UInt8]?
        package let version: [UInt8]?
        /// One JSON value, as it was written.
        package let data: UnsafeRawBufferPointer?
        /// What it knows of channels the node had subscribed it to.
        package let known: [Subscribe]
    }

    package struct Subscribe {
        package let id: UInt32
        package let channel: ChannelName
        package let isRecovering: Bool
        /// The last position the client knows, when it recovers; an empty epoch is any.
        package let epoch: [UInt8]
        package let offset: UInt64
        package let token: [UInt8]?
    }

    package struct History {
        package let id: UInt32
        package let channel: ChannelName
        package let since: (epoch: [UInt8], offset: UInt64)?
        /// 0 asks for the position alone, less for as many as there are.
        package let limit: Int64
        package let isReverse: Bool
    }

    case connect(Connect)
    case subscribe(Subscribe)
    case unsubscribe(id: UInt32, ChannelName)
    /// The data is one JSON value, as it was written.
    case publish(id: UInt32, ChannelName, data: UnsafeRawBufferPointer)
    case history(History)
    /// Who is present, or only how many.
    case presence(id: UInt32, ChannelName, PresenceQuery.View)
    case pong
    case send(data: UnsafeRawBufferPointer)
    /// A new token for the connection.
    case refresh(id: UInt32, token: [UInt8])
    /// A new token for a subscription.
    case subRefresh(id: UInt32, ChannelName, token: [UInt8])
    /// Answer with an error.
    case refuse(id: UInt32, CentrifugeError)
    case disconnect(CentrifugeDisconnect)
}

/// The client's side of the Centrifuge protocol in JSON: from messages to intents. Knows the order in which things may
/// come, and nothing of channels, permissions or sockets.
package struct CentrifugeMachine: Equatable {
    private enum Phase: UInt8 {
        case new
        case connected
        /// The client was told to go; nothing it says counts.
        case over
    }

    private var phase = Phase.new
    /// A ping was sent, and its pong has not come.
    package private(set) var awaitsPong = false

    package init() {}

    package var isConnected: Bool { phase == .connected }

    /// We have sent a ping.
    package mutating func pinged() { awaitsPong = true }

    /// A message came: one or more commands, one a line. `emit` is called for each until it answers false. Commands
    /// before a bad one are carried out.
    ///
    /// - Parameter hint: A channel that is likely to be named: then the name is used again instead of a copy.
    package mutating func received(
        _ message: UnsafeRawBufferPointer, isText: Bool, hint: ChannelName? = nil, _ emit: (CentrifugeIntent) -> Bool
    ) {
        guard phase != .over else { return }
        guard isText else { return end(.inappropriateProtocol, emit) }
        var start = 0
        var isEmpty = true
        while start < message.count {
            let end = message.lineFeed(from: start)
            let line = UnsafeRawBufferPointer(rebasing: message[start..<end])
            start = end + 1
            // A line feed at the end is tolerated, an empty line between commands is not.
            if line.isEmpty, start >= message.count, !isEmpty { return }
            isEmpty = false
            guard let command = CentrifugeCommand(line) else { return self.end(.badRequest, emit) }
            guard take(command, hint, emit) else { return }
        }
        if isEmpty { end(.badRequest, emit) }
    }

    private mutating func end(_ disconnect: CentrifugeDisconnect, _ emit: (CentrifugeIntent) -> Bool) {
        phase = .over
        _ = emit(.disconnect(disconnect))
    }

    private mutating func take(
        _ command: CentrifugeCommand, _ hint: ChannelName?, _ emit: (CentrifugeIntent) -> Bool
    ) -> Bool {
        guard let method = command.method else {
            // An empty command is a pong, and only right as the answer to a ping.
            guard command.id == 0, awaitsPong, phase == .connected else {
                end(.badRequest, emit)
                return false
            }
            awaitsPong = false
            return emit(.pong)
        }
        guard command.id != 0 || method == .send, (phase == .connected) == (method != .connect), method != .ping else {
            end(.badRequest, emit)
            return false
        }
        if method == .connect { phase = .connected }
        let intent = intent(of: method, command.id, command.request, hint)
        if case .disconnect(let disconnect) = intent {
            end(disconnect, emit)
            return false
        }
        return emit(intent)
    }

    private func intent(
        of method: CentrifugeCommand.Method, _ id: UInt32, _ request: CentrifugeRequest, _ hint: ChannelName?
    ) -> CentrifugeIntent {
        switch method {
        case .connect:
            // Texts that stand for no characters are a broken client's.
            guard let token = Self.text(request.token), let name = Self.text(request.name),
                let version = Self.text(request.version)
            else { return .disconnect(.badRequest) }
            return .connect(
                .init(
                    id: id, token: token, name: name, version: version, data: request.data,
                    known: request.known.compactMap { Self.known($0.channel, $0.request) }))
        case .subscribe, .unsubscribe, .publish, .history, .presence, .presenceStats, .subRefresh:
            // A channel that cannot be is an error of its own; none at all, as Centrifugo has it, a broken client.
            guard let raw = request.channel, !raw.isEmpty else { return .disconnect(.badRequest) }
            if let hint, hint.isWritten(as: raw) { return intent(of: method, id, hint, request) }
            guard let bytes = JSONString.unescape(raw) else { return .disconnect(.badRequest) }
            guard let channel = try? ChannelName(validating: bytes) else { return .refuse(id: id, .badRequest) }
            return intent(of: method, id, channel, request)
        case .send:
            return .send(data: request.data ?? UnsafeRawBufferPointer(start: nil, count: 0))
        case .rpc:
            return .refuse(id: id, .methodNotFound)
        case .refresh:
            // Without a token there is nothing to refresh with: the client is broken.
            guard let token = Self.text(request.token), let token, !token.isEmpty else {
                return .disconnect(.badRequest)
            }
            return .refresh(id: id, token: token)
        case .ping:
            return .refuse(id: id, .notAvailable)
        }
    }

    private func intent(
        of method: CentrifugeCommand.Method, _ id: UInt32, _ channel: ChannelName, _ request: CentrifugeRequest
    ) -> CentrifugeIntent {
        switch method {
        case .subscribe:
            guard let token = Self.text(request.token), let epoch = Self.text(request.epoch) else {
                return .disconnect(.badRequest)
            }
            return .subscribe(
                .init(
                    id: id, channel: channel, isRecovering: request.isRecovering, epoch: epoch ?? [],
                    offset: request.offset, token: token))
        case .history:
            guard let epoch = Self.text(request.epoch) else { return .disconnect(.badRequest) }
            return .history(
                .init(
                    id: id, channel: channel, since: request.hasSince ? (epoch ?? [], request.offset) : nil,
                    limit: request.limit, isReverse: request.isReverse))
        case .subRefresh:
            guard let token = Self.text(request.token), let token, !token.isEmpty else {
                return .refuse(id: id, .badRequest)
            }
            return .subRefresh(id: id, channel, token: token)
        case .unsubscribe: return .unsubscribe(id: id, channel)
        case .publish:
            guard let data = request.data else { return .refuse(id: id, .badRequest) }
            return .publish(id: id, channel, data: data)
        case .presence: return .presence(id: id, channel, .clients)
        case .presenceStats: return .presence(id: id, channel, .count)
        default: return .refuse(id: id, .notAvailable)
        }
    }

    /// An entry of `subs`; one that cannot be is none of ours.
    private static func known(_ name: UnsafeRawBufferPointer, _ request: CentrifugeRequest) -> CentrifugeIntent
        .Subscribe?
    {
        guard let bytes = JSONString.unescape(name), let channel = try? ChannelName(validating: bytes),
            let epoch = text(request.epoch)
        else { return nil }
        return .init(
            id: 0, channel: channel, isRecovering: true, epoch: epoch ?? [], offset: request.offset, token: nil)
    }

    /// The text between two quotes; nil inside when the field is not set, nil outside when it is no text.
    private static func text(_ raw: UnsafeRawBufferPointer?) -> [UInt8]?? {
        guard let raw else { return .some(nil) }
        guard let text = JSONString.unescape(raw) else { return nil }
        return .some(text)
    }
}

extension ChannelName {
    /// Whether these bytes, between quotes in JSON, are this name and nothing is escaped.
    fileprivate func isWritten(as raw: UnsafeRawBufferPointer) -> Bool {
        guard raw.count == bytes.count else { return false }
        return bytes.withUnsafeBytes { $0.elementsEqual(raw) } && !bytes.contains(UInt8(ascii: "\\"))
    }
}
