/// A client calls a method of its hub. Pointers are valid until the next command is taken.
package struct HubCall {
    /// How the arguments are written.
    package enum Arguments {
        /// A JSON array that was scanned, in UTF-8.
        case json(UnsafeRawBufferPointer)
        /// A MessagePack array that was scanned.
        case messagePack(UnsafeRawBufferPointer)

        /// A JSON array; nil for what JSON has no form for.
        package var json: [UInt8]? { HubArguments.list(self) }

        package var count: Int {
            switch self {
            case .json(let bytes), .messagePack(let bytes): bytes.count
            }
        }
    }

    package let reply: ReplyID
    /// The hub's number.
    package let hub: UInt16
    package let method: [UInt8]
    package let arguments: Arguments

    package init(reply: ReplyID, hub: UInt16, method: [UInt8], arguments: Arguments) {
        self.reply = reply
        self.hub = hub
        self.method = method
        self.arguments = arguments
    }
}

/// What a call comes to, by the rule of its hub.
package enum HubOrder: Equatable {
    case join(ChannelName)
    case leave(ChannelName)
    case send(HubMessage)
    /// The application does it.
    case forward
    case refuse(Failure)
}

/// A publication that a client sends by calling a method.
package struct HubMessage: Equatable {
    package let channel: ChannelName
    package let event: [UInt8]
    package let kind: PayloadKind
    package let payload: [UInt8]
    /// Whether the method itself permits it, and no rule of a channel has to.
    package let isPermitted: Bool
}

extension HubRule {
    /// Pure: whether the caller may do it is for others to say.
    package func order(of call: HubCall) -> HubOrder {
        guard let action = action(named: call.method) else {
            return upstream == nil ? .refuse(.unknownMethod) : .forward
        }
        var arguments: HubArguments
        switch call.arguments {
        case .json(let bytes): arguments = HubArguments(json: bytes)
        case .messagePack(let bytes): arguments = HubArguments(messagePack: bytes)
        }
        switch action {
        case .join, .leave:
            guard let group = arguments.text(), arguments.isAtEnd, let channel = channel(ofGroup: group) else {
                return .refuse(.badArguments)
            }
            // Everybody is in there for good.
            if channel == everyone { return action == .join ? .refuse(.alreadySubscribed) : .refuse(.permissionDenied) }
            return action == .join ? .join(channel) : .leave(channel)
        case .sendToGroup:
            guard let group = arguments.text(), let channel = channel(ofGroup: group) else {
                return .refuse(.badArguments)
            }
            return send(to: channel, &arguments, isPermitted: false)
        case .sendToUser:
            guard let user = arguments.text(), let channel = ChannelName.user(String(decoding: user, as: UTF8.self))
            else { return .refuse(.badArguments) }
            return send(to: channel, &arguments, isPermitted: true)
        case .sendToAll:
            return send(to: everyone, &arguments, isPermitted: false)
        }
    }

    private func send(to channel: ChannelName, _ arguments: inout HubArguments, isPermitted: Bool) -> HubOrder {
        guard let event = arguments.text(), EventName.isValid(event), let (kind, payload) = arguments.payload() else {
            return .refuse(.badArguments)
        }
        return .send(
            HubMessage(channel: channel, event: event, kind: kind, payload: payload, isPermitted: isPermitted))
    }
}
