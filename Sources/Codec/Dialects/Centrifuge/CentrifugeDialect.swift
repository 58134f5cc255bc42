/// The centrifuge dialect: what all Centrifuge SDKs speak (Centrifuge client protocol v2). Clients log in with a command, and
/// each command has a reply.
enum CentrifugeDialect {
    static var name: StaticString { "centrifuge" }

    /// A client without commands cannot answer a ping, subscribe anew or bring a new token.
    static func traits(of variant: Variant) -> DialectTraits {
        let isDuplex = variant.transport == .webSocket
        if variant.isUnidirectional {
            return DialectTraits(
                name: name, login: .firstMessage, liveness: isDuplex ? .promised : .unanswered, recovery: .replies,
                loss: .endsSession, takesInput: isDuplex, takesCommandRequests: false, hasCommands: true,
                refreshesTokens: false, namesPublishers: true)
        }
        return DialectTraits(
            name: name, login: .command, liveness: .pong, recovery: .replies, loss: .endsSubscription,
            takesInput: isDuplex, takesCommandRequests: !isDuplex, hasCommands: true, refreshesTokens: true,
            namesPublishers: true)
    }

    static var routes: [DialectRoute] {
        [
            DialectRoute(.centrifuge, "/connection/websocket", over: .webSocket, "GET"),
            DialectRoute(.centrifuge, "/connection/http_stream", over: .stream, "POST"),
            DialectRoute(.centrifuge, "/connection/sse", over: .eventStream, "GET", "POST"),
            DialectRoute(.centrifuge, "/connection/uni_websocket", over: .webSocket, isUnidirectional: true, "GET"),
            DialectRoute(.centrifuge, "/connection/uni_http_stream", over: .stream, isUnidirectional: true, "POST"),
            DialectRoute(
                .centrifuge, "/connection/uni_sse", over: .eventStream, isUnidirectional: true, "GET", "POST"),
            DialectRoute(commandsOf: .centrifuge, "/emulation"),
        ]
    }

    static var subprotocols: [(name: String, encoding: Variant.Encoding)] {
        [("centrifuge-json", .standard), ("centrifuge-protobuf", .protobuf)]
    }

    /// What a client asks for that cannot offer subprotocols.
    static func encoding(askedForBy head: RequestHead) -> Variant.Encoding {
        let isProtobuf = head.query.contains { parameter in
            ["cf_protocol", "format"].contains { $0.utf8.elementsEqual(parameter.name.utf8) }
                && parameter.value.utf8.elementsEqual("protobuf".utf8)
        }
        return isProtobuf ? .protobuf : .standard
    }

    static func farewell(_ ending: Ending) -> Farewell {
        guard let disconnect = CentrifugeDisconnect(ending) else { return Farewell(plain: ending) }
        return Farewell(CloseCode(rawValue: disconnect.code), disconnect.reason)
    }

    /// Of the refused commands, those that say that the client did something wrong or has too much.
    static func refusal(of failure: Failure) -> (kind: String, reason: String)? {
        let error = CentrifugeError(failure)
        let kind: String
        switch error.code {
        case 101: kind = "error_101"
        case 103: kind = "error_103"
        case 106: kind = "error_106"
        case 109: kind = "error_109"
        case 111: kind = "error_111"
        default: return nil
        }
        return (kind, "\(error.message) (error \(error.code))")
    }
}
