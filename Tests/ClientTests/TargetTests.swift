import Testing

@testable import Client

struct TargetTests {
    @Test(
        arguments: [
            ("ws://127.0.0.1:8000/raw?channel=a", "127.0.0.1", 8000, "/raw?channel=a"),
            ("WS://127.0.0.1:8000", "127.0.0.1", 8000, "/"),
            ("ws://127.0.0.1", "127.0.0.1", 80, "/"),
            ("ws://127.0.0.1?channel=a", "127.0.0.1", 80, "/?channel=a"),
            ("ws://[::1]:8000/x#fragment", "::1", 8000, "/x"),
            ("wss://127.0.0.1/x", "127.0.0.1", 443, "/x"),
            ("WSS://[::1]:8443", "::1", 8443, "/"),
        ] as [(String, String, UInt16, String)])
    func aURLIsUnderstood(url: String, host: String, port: UInt16, path: String) throws {
        let target = try Target(parsing: url)
        #expect(target.host == host)
        #expect(target.port == port)
        #expect(target.path == path)
        #expect(target.isLoopback)
        #expect(target.isEncrypted == url.lowercased().hasPrefix("wss"))
    }

    @Test func whatIsNotLoopbackIsKnown() throws {
        #expect(try !Target(parsing: "ws://192.0.2.1:80/").isLoopback)
    }

    @Test(arguments: [
        "", "http://127.0.0.1", "wss:/127.0.0.1", "ws://", "wss://", "ws://:80", "ws://127.0.0.1:", "ws://127.0.0.1:0",
        "ws://127.0.0.1:65536", "ws://127.0.0.1:80x", "ws://127.0.0.1/a b", "ws://127.0.0.1/a\r\nX: y", "ws://[::1",
        "ws://user@127.0.0.1/", "ws://127.0.0.1:80:80/",
    ])
    func whatIsNoneIsRefused(url: String) {
        #expect(throws: Target.ParseError.self) { try Target(parsing: url) }
    }

    @Test func aNumberTakesItsPlaceInThePath() throws {
        let target = try Target(parsing: "ws://127.0.0.1:80/raw?channel=a-{}&channel=b-{}").numbered(42)
        #expect(target.path == "/raw?channel=a-42&channel=b-42" && target.authority == "127.0.0.1:80")
        #expect(try Target(parsing: "ws://127.0.0.1:80/raw").numbered(42).path == "/raw")
    }
}
