import Testing

@testable import Codec

/// Where clients of the Azure SignalR Service connect.
@Suite struct HubAddressTests {
    private static let chat = HubRule(path: "/chat")
    private static let nested = HubRule(path: "/hubs/Chat2")

    @Test func routes() throws {
        let hubs = Hubs([Self.chat, Self.nested])
        for (target, use, number) in [
            ("GET /client/?hub=chat", DialectRoute.Use.polls, Self.chat.number),
            ("GET /client?hub=CHAT&id=1", .polls, Self.chat.number),
            ("DELETE /client?hub=CHAT&id=1", .goodbyes, Self.chat.number),
            ("POST /client/negotiate?hub=chat&negotiateVersion=1", .negotiation, Self.chat.number),
            ("POST /client/?id=1&hub=hubs%2Fchat2", .commands, Self.nested.number),
            ("GET /client/?a=b&hub=hubs/chat2&hub=chat", .polls, Self.nested.number),
        ] {
            let route = try #require(hubs.route(of: DialectTests.head(target + " HTTP/1.1")), "\(target)")
            #expect(route.use == use && route.hub == number && route.isForHubTokens, "\(target)")
        }
        for target in [
            "GET /client/", "GET /client/?hub=", "GET /client/?hub=other", "GET /client/?Hub=chat",
            "GET /clients/?hub=chat",
            "GET /client//?hub=chat", "GET /client/x?hub=chat", "GET /Client/?hub=chat",
            "POST /client/negotiate/?hub=chat",
            "POST /clientnegotiate?hub=chat", "GET /?hub=chat",
        ] { #expect(try hubs.route(of: DialectTests.head(target + " HTTP/1.1")) == nil, "\(target)") }
        // Its own path is for its own tokens, whatever the query says.
        #expect(try hubs.route(of: DialectTests.head("GET /chat?hub=chat HTTP/1.1"))?.isForHubTokens == false)
        #expect(hubs.paths.last == "/client/?hub=NAME" && Hubs().paths.isEmpty)
    }

    static let addresses: [(address: String, isRight: Bool)] = [
        ("https://x.service.signalr.net/client/?hub=chat", true), ("http://localhost:8888/client/?hub=chat", true),
        ("https://x/client?hub=chat", true), ("https://x/client/?hub=CHAT", true),
        ("https://x/client/?hub=ch%61t", true),
        ("https://x/client/?hub=chat&asrs.op=%2Fchat", true), ("https://x/%63lient/?hub=chat", true),
        ("", false), ("/client/?hub=chat", false), ("https://x", false), ("https://x/client/", false),
        ("https://x/client/?hub=other", false), ("https://x/client/?hub=chat&hub=other", false),
        ("https://x/client/?hub=other&hub=chat", false), ("https://x/client/?hub=chat&hub=chat", false),
        ("https://x/client/?hub=", false), ("https://x/client/?hub=chat/", false),
        ("https://x/client/?hub=chat#x", false),
        ("https://x/client/negotiate?hub=chat", false), ("https://x/server/?hub=chat", false),
        ("https://x/api/hubs/chat/:send?/client/?hub=chat", false), ("https://x?/client/?hub=chat", false),
        ("https://x/client/%?hub=chat", false), ("https://x/client/?hub=%FF", false), ("://x/client/?hub=chat", false),
        ("https:x/client/?hub=chat", false), ("https://x/Client/?hub=chat", false), ("x", false), ("://", false),
        ("https://x/client/?hub=cha\u{74}\u{301}", false),
    ]

    @Test(arguments: addresses) func audiences(_ address: String, _ isRight: Bool) {
        #expect(HubAddress.isClientAddress(address, of: Self.chat) == isRight)
    }

    @Test func groups() {
        var hub = HubRule(path: "/chat")
        hub.prefix = Array("chat:".utf8)
        hub.everyone = ChannelName(trusted: Array("chat:all".utf8))
        func isGroup(_ name: String) -> Bool { hub.isGroup(ChannelName(trusted: Array(name.utf8))) }
        #expect(
            isGroup("chat:a") && !isGroup("chat:all") && !isGroup("chat") && !isGroup("other:a") && !isGroup("$user:a"))
        // The Kelvin sign is no letter of ASCII.
        #expect(HubRule(path: "/k").isCalled("K".utf8) && !HubRule(path: "/k").isCalled("\u{212A}".utf8))
    }
}
