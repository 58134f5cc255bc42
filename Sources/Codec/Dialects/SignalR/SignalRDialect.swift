/// The signalr dialect: what clients of ASP.NET Core SignalR speak with a hub (TransportProtocols.md and HubProtocol.md of
/// dotnet/aspnetcore). The hub's rule in the configuration says what its clients may call.
enum SignalRDialect {
    static var name: StaticString { "signalr" }

    /// Clients count on messages of the dialect, not on pings of WebSocket: one of them takes such a ping for a message. Over an event
    /// stream and with long polling they send their messages in requests, to any node. Clients that poll neither send pings nor
    /// wait for any (`inherentKeepAlive` in the clients of dotnet/aspnetcore).
    static func traits(of variant: Variant) -> DialectTraits {
        let isDuplex = variant.transport == .webSocket
        return DialectTraits(
            name: name, login: .greeting, liveness: variant.transport == .longPolling ? .polls : .mutual,
            recovery: .none, loss: .endsSession, takesInput: isDuplex, takesCommandRequests: !isDuplex,
            hasCommands: true, refreshesTokens: false, namesPublishers: false, isFoundByID: !isDuplex,
            refusesInStream: false)
    }

    /// How a hub's path may be asked for without a WebSocket.
    private static let methods = ["GET", "POST", "DELETE"]

    /// What is at a hub's path and below it, or where clients of the Azure SignalR Service find the hub.
    static func route(of head: RequestHead, at hub: HubRule) -> DialectRoute? {
        let path = head.path.utf8
        if path.starts(with: hub.path.utf8) {
            let rest = path.dropFirst(hub.path.utf8.count)
            let isBelow = rest.count > 1 && rest.first == UInt8(ascii: "/")
            if rest.isEmpty || isBelow, let route = route(of: head, to: rest.dropFirst(), at: hub.path, hub) {
                return route
            }
        }
        guard let rest = HubAddress.rest(of: head.path), let name = HubAddress.hub(of: head), hub.isCalled(name.utf8)
        else { return nil }
        var route = route(of: head, to: rest, at: HubAddress.path, hub)
        route?.isForHubTokens = true
        return route
    }

    /// - Parameters:
    ///   - rest: What is asked for below the hub's address.
    ///   - path: That address.
    private static func route(
        of head: RequestHead, to rest: Substring.UTF8View, at path: String, _ hub: HubRule
    ) -> DialectRoute? {
        if rest.isEmpty {
            func isOne(_ method: String) -> Bool { method.utf8.elementsEqual(head.method.utf8) }
            if isOne("POST") || isOne("OPTIONS") {
                return DialectRoute(commandsOf: .signalr, path, of: hub.number, methods: methods)
            }
            if isOne("DELETE") {
                return DialectRoute(goodbyesOf: .signalr, path, of: hub.number, methods: methods)
            }
            guard head.header("upgrade") == nil, isOne("GET") else {
                return DialectRoute(.signalr, path, over: .webSocket, of: hub.number, "GET")
            }
            if head.header("accept", hasToken: "text/event-stream") {
                return DialectRoute(.signalr, path, over: .eventStream, of: hub.number, "GET")
            }
            return DialectRoute(pollsOf: .signalr, path, of: hub.number, methods: methods)
        }
        guard rest.elementsEqual("negotiate".utf8) else { return nil }
        return DialectRoute(negotiationsOf: .signalr, path + "/negotiate", of: hub.number)
    }

    /// The connection that a client has negotiated and wants to open now; nil for one that negotiated nothing.
    static func connectionToken(in head: RequestHead) -> String? {
        head.query.first { $0.name.utf8.elementsEqual("id".utf8) }.map(\.value)
    }

    /// A client waits for more than a close frame: it tells it whether it may come back.
    static func write(_ ending: Ending, _ farewell: Farewell, as variant: Variant, to writer: ByteWriter) {
        if case .left = ending {
        } else if variant.encoding == .undecided {
            SignalRHandshake.writeResponse(error: farewell.reason, as: .json, over: variant.transport, to: writer)
        } else {
            // A client that is told of an error may stay away, whatever else it is told. The close frame has the reason.
            let error = ending.isReconnectWelcome(farewell.code) ? nil : farewell.reason
            switch SignalREncoding(variant.encoding) {
            case .json: SignalREncoder.writeClose(error, over: variant.transport, to: writer)
            case .messagePack: SignalRPackedEncoder.writeClose(error, over: variant.transport, to: writer)
            }
        }
        if variant.transport == .webSocket {
            FrameWriter.writeClose(farewell.code, reason: farewell.reason, to: writer)
        }
    }

    /// Of the refused calls, those that say that the client did something wrong or has too much.
    static func refusal(of failure: Failure) -> (kind: String, reason: String)? {
        let kind: String
        switch failure {
        case .permissionDenied: kind = "call_not_permitted"
        case .limitExceeded: kind = "call_over_limit"
        case .tooManyRequests: kind = "call_too_fast"
        case .unknownMethod: kind = "call_unknown_method"
        default: return nil
        }
        return (kind, failure.callError.description)
    }
}

extension Ending {
    /// Whether a client that is told why it has to go may come back by itself.
    fileprivate func isReconnectWelcome(_ code: CloseCode) -> Bool {
        switch self {
        case .shutdown, .slow, .lost, .undecided, .tooMuchIncomplete, .silent, .tokenExpired, .messageTimedOut,
            .unknownSession, .notResumed:
            true
        // As in the other dialects: the first half of a thousand is for what may be over soon.
        case .requested: !(3500..<4000).contains(code.rawValue) && !(4500..<5000).contains(code.rawValue)
        default: false
        }
    }
}

/// How messages of the signalr dialect are written once the client has said it.
package enum SignalREncoding: UInt8, Sendable, CaseIterable {
    /// Each message a JSON object with a record separator (0x1E) behind it.
    case json
    /// Each message a MessagePack array with its length in front of it.
    case messagePack

    init(_ encoding: Variant.Encoding) {
        switch encoding {
        case .messagePack: self = .messagePack
        case .standard, .protobuf, .undecided: self = .json
        }
    }

    /// Of a session that speaks it.
    var variant: Variant.Encoding {
        switch self {
        case .json: .standard
        case .messagePack: .messagePack
        }
    }

    /// The record separator, which ends a message in JSON and every handshake.
    static let separator: UInt8 = 0x1E
}
