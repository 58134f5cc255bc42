import Testing

@testable import Codec

/// What calls come to by the rule of a hub.
@Suite struct HubRuleTests {
    static let hub: HubRule = {
        var hub = HubRule(path: "/chat")
        hub.prefix = Array("chat:".utf8)
        hub.everyone = ChannelName(trusted: Array("chat:all".utf8))
        hub.methods = [
            .init("JoinGroup".utf8, .join), .init("LeaveGroup".utf8, .leave), .init("SendToGroup".utf8, .sendToGroup),
            .init("SendToUser".utf8, .sendToUser), .init("Broadcast".utf8, .sendToAll), .init("é".utf8, .join),
        ]
        return hub
    }()

    @Test func whatTheHubDoesNotKnowIsForTheApplication() {
        var hub = Self.hub
        #expect(Self.order("Other", "[]", of: hub) == .refuse(.unknownMethod))
        hub.upstream = "https://app.example.com/{event}"
        #expect(Self.order("Other", "[1]", of: hub) == .forward)
        #expect(Self.order("joingroup", "[\"a\"]", of: hub) == .join(ChannelName(trusted: Array("chat:a".utf8))))
        #expect(Self.order("JoinGroup", "[1]", of: hub) == .refuse(.badArguments))
        #expect(hub.name == "chat")
    }

    static func order(_ method: String, _ json: String, of hub: HubRule = hub) -> HubOrder {
        Array(json.utf8).withUnsafeBytes { bytes in
            hub.order(of: HubCall(reply: .none, hub: hub.number, method: Array(method.utf8), arguments: .json(bytes)))
        }
    }

    static func packed(_ method: String, _ arguments: [UInt8]) -> HubOrder {
        arguments.withUnsafeBytes { bytes in
            hub.order(
                of: HubCall(reply: .none, hub: hub.number, method: Array(method.utf8), arguments: .messagePack(bytes)))
        }
    }

    static func send(
        _ channel: String, _ event: String, _ payload: String, _ kind: PayloadKind = .json, isPermitted: Bool = false
    ) -> HubOrder {
        .send(
            HubMessage(
                channel: ChannelName(trusted: Array(channel.utf8)), event: Array(event.utf8), kind: kind,
                payload: Array(payload.utf8), isPermitted: isPermitted))
    }

    static let calls: [(method: String, arguments: String, order: HubOrder)] = [
        ("JoinGroup", #"["a"]"#, .join(ChannelName(trusted: Array("chat:a".utf8)))),
        ("joingroup", #" [ "\u0061" ] "#, .join(ChannelName(trusted: Array("chat:a".utf8)))),
        ("LEAVEGROUP", #"["a"]"#, .leave(ChannelName(trusted: Array("chat:a".utf8)))),
        ("é", #"["a"]"#, .join(ChannelName(trusted: Array("chat:a".utf8)))),
        ("É", #"["a"]"#, .refuse(.unknownMethod)), ("Join", #"["a"]"#, .refuse(.unknownMethod)),
        ("JoinGroup", #"["a","b"]"#, .refuse(.badArguments)), ("JoinGroup", "[]", .refuse(.badArguments)),
        ("JoinGroup", "[5]", .refuse(.badArguments)), ("JoinGroup", #"["a b"]"#, .refuse(.badArguments)),
        ("JoinGroup", #"["\ud800"]"#, .refuse(.badArguments)), ("JoinGroup", #"[null]"#, .refuse(.badArguments)),
        ("JoinGroup", #"["all"]"#, .refuse(.alreadySubscribed)),
        ("LeaveGroup", #"["all"]"#, .refuse(.permissionDenied)),
        ("SendToGroup", #"["a","said","ann",[1, 2]]"#, send("chat:a", "said", #"["ann",[1, 2]]"#)),
        // One argument is the payload, unless it would be taken for the list of them.
        ("SendToGroup", #"["a","said","hello"]"#, send("chat:a", "said", #""hello""#)),
        ("SendToGroup", #"["a","said",{"b":1}]"#, send("chat:a", "said", #"{"b":1}"#)),
        ("SendToGroup", #"["a","said",[1]]"#, send("chat:a", "said", "[[1]]")),
        ("SendToGroup", #"["a","said"]"#, send("chat:a", "said", "[]")),
        ("SendToGroup", #"["a"]"#, .refuse(.badArguments)), ("SendToGroup", #"["a",""]"#, .refuse(.badArguments)),
        ("SendToGroup", #"["a","b\n"]"#, .refuse(.badArguments)),
        ("SendToGroup", #"["a",7,8]"#, .refuse(.badArguments)),
        ("SendToUser", #"["ann","said",1]"#, send("$user:ann", "said", "1", isPermitted: true)),
        ("SendToUser", #"["","said",1]"#, .refuse(.badArguments)),
        ("Broadcast", #"["said",1,2]"#, send("chat:all", "said", "[1,2]")),
        ("Broadcast", #"["said"]"#, send("chat:all", "said", "[]")), ("Broadcast", "[]", .refuse(.badArguments)),
    ]

    @Test(arguments: calls)
    func callsInJSON(_ method: String, _ arguments: String, _ order: HubOrder) {
        #expect(Self.order(method, arguments) == order)
    }

    @Test(arguments: calls.filter { !$0.arguments.contains(#"\ud800"#) })
    func callsInMessagePackAreTheSame(_ method: String, _ arguments: String, _ order: HubOrder) throws {
        let packed = try #require(MessagePackTests.packed(arguments))
        // White space is not carried over.
        if case .send(let message) = order, message.payload.contains(0x20) { return }
        #expect(Self.packed(method, packed) == order)
    }

    @Test func bytesByThemselvesAreBinary() {
        let head: [UInt8] = [0xA1, 97, 0xA1, 98]
        #expect(Self.packed("SendToGroup", [0x93] + head + [0xC4, 1, 65]) == Self.send("chat:a", "b", "A", .binary))
        #expect(
            Self.packed("SendToGroup", [0x94] + head + [0xC4, 1, 65, 1])
                == Self.send("chat:a", "b", #"["QQ==",1]"#))
        // What JSON has no form for.
        #expect(Self.packed("SendToGroup", [0x93] + head + [0xD4, 5, 1]) == .refuse(.badArguments))
        #expect(Self.packed("SendToGroup", [0x94] + head + [0x81, 0xC0, 1, 1]) == .refuse(.badArguments))
    }

    @Test func hubsAreFoundByTheirPath() throws {
        var other = HubRule(path: "/chat/2")
        other.prefix = Array("x".utf8)
        let hubs = Hubs([Self.hub, other])
        for (path, use, number) in [
            ("/chat?id=1", DialectRoute.Use.polls, Self.hub.number),
            ("/chat/negotiate", .negotiation, Self.hub.number), ("/chat/2/negotiate?x", .negotiation, other.number),
        ] {
            let route = try #require(hubs.route(of: DialectTests.head("GET \(path) HTTP/1.1")))
            #expect(route.use == use && route.hub == number && route.dialect == .signalr)
        }
        for path in ["/", "/cha", "/chat/", "/chat/3", "/Chat", "/chat/negotiate/", "/chatnegotiate"] {
            #expect(try hubs.route(of: DialectTests.head("GET \(path) HTTP/1.1")) == nil)
        }
        #expect(hubs.rule(other.number) == other && Hubs().rule(other.number) == nil)
        let stream = "GET /chat?id=1 HTTP/1.1\r\nAccept: application/json, text/event-stream"
        #expect(
            try hubs.route(of: DialectTests.head(stream))?.use == .session(.eventStream, isUnidirectional: false))
        let upgrade = "GET /chat?id=1 HTTP/1.1\r\nUpgrade: websocket\r\nAccept: text/event-stream"
        #expect(
            try hubs.route(of: DialectTests.head(upgrade))?.use == .session(.webSocket, isUnidirectional: false))
        for (method, use) in [
            ("GET", DialectRoute.Use.polls), ("POST", .commands), ("OPTIONS", .commands), ("DELETE", .goodbyes),
        ] {
            let route = try #require(hubs.route(of: DialectTests.head("\(method) /chat?id=1 HTTP/1.1")))
            #expect(route.use == use && route.methods == ["GET", "POST", "DELETE"] && route.isPlainHTTP)
            #expect(route.beginsSession == false && (route.variant()?.transport == .longPolling) == (use == .polls))
        }
        // It is the same on every node, in every version.
        #expect(Self.hub.number == 0x83EF)
    }

    @Test(
        arguments: [
            ("", 0), ("?negotiateVersion=0", 0), ("?negotiateVersion=1", 1), ("?negotiateVersion=2&id=stale", 1),
            ("?negotiateVersion=99999999999999999999", nil), ("?negotiateVersion=", nil), ("?negotiateVersion=-1", nil),
            ("?negotiateVersion=a", nil), ("?useStatefulReconnect=true", 0),
        ] as [(String, UInt64?)])
    func negotiationsHaveAVersion(_ query: String, _ version: UInt64?) throws {
        let head = try DialectTests.head("POST /chat/negotiate\(query) HTTP/1.1")
        let route = try #require(Hubs([Self.hub]).route(of: head))
        let negotiation = try? route.dialect.negotiation(head, at: route)
        #expect(negotiation?.version == version)
        guard let negotiation else { return }
        let body = Written.text {
            route.dialect.answer(negotiation, id: Array("ID".utf8), token: Array("T".utf8), to: $0)
        }
        let ids = version == 0 ? #""connectionId":"T""# : #""connectionId":"ID","connectionToken":"T""#
        #expect(
            body == #"{"negotiateVersion":\#(negotiation.version),\#(ids),"availableTransports""#
                + #":[{"transport":"WebSockets","transferFormats":["Text","Binary"]},"#
                + #"{"transport":"ServerSentEvents","transferFormats":["Text"]},"#
                + #"{"transport":"LongPolling","transferFormats":["Text","Binary"]}]}"#)
    }

    @Test func theTokenOfAConnectionIsInTheQuery() throws {
        let head = try DialectTests.head("GET /chat?a=b&id=x%2B&id=y HTTP/1.1")
        #expect(Dialect.signalr.connectionToken(in: head) == "x+")
        #expect(Dialect.raw.connectionToken(in: head) == nil)
        #expect(try Dialect.signalr.connectionToken(in: DialectTests.head("GET /chat HTTP/1.1")) == nil)
    }
}
