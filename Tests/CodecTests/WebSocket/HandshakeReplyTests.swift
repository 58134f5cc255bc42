import Testing

@testable import Codec

/// What our client makes of replies (RFC 6455 4.1).
@Suite struct HandshakeReplyTests {
    static let key = "dGhlIHNhbXBsZSBub25jZQ=="
    static let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    static let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n"

    private func check(_ text: String) -> Handshake.Reply {
        Array(text.utf8).withUnsafeBytes { Handshake.checkReply($0, key: Self.key) }
    }

    @Test(arguments: [
        "HTTP/1.1 101 Switching Protocols\r\n\(upgrade)\(accept)\r\n",
        "HTTP/1.1 101\r\n\(upgrade)\(accept)\r\n",
        "HTTP/1.1 101 Web Socket Protocol Handshake\r\nServer: x\r\n\(accept)\(upgrade)\r\n",
        "HTTP/1.1 101 OK\r\nUPGRADE:WebSocket\r\nconnection: keep-alive, upgrade \r\n\(accept.lowercasedName)\r\n",
    ])
    func opens(text: String) {
        #expect(check(text) == .opened(consumed: text.utf8.count))
        #expect(check(text + "frames") == .opened(consumed: text.utf8.count))
    }

    @Test(arguments: [
        ("HTTP/1.1 403 Forbidden\r\n\(upgrade)\(accept)\r\n", "HTTP/1.1 403 Forbidden"),
        ("HTTP/1.1 1010 X\r\n\(upgrade)\(accept)\r\n", "HTTP/1.1 1010 X"),
        ("HTTP/1.1 200 \u{1B}[2J\r\n\r\n", "HTTP/1.1 200 ?[2J"),
        ("HTTP/1.0 101 X\r\n\(upgrade)\(accept)\r\n", "the reply is not HTTP/1.1"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "the reply is not HTTP/1.1"),
        ("\r\n", "the reply is not HTTP/1.1"),
        ("+OK\n", "the reply is not HTTP/1.1"),
        ("HTTP/1.1 101 X\r\n\(accept)\r\n", "the reply does not upgrade the connection"),
        ("HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\(accept)\r\n", "the reply does not upgrade the connection"),
        (
            "HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\(accept)\r\n",
            "the reply does not upgrade the connection"
        ),
        ("HTTP/1.1 101 X\r\n\(upgrade)\r\n", "the reply does not fit the key"),
        ("HTTP/1.1 101 X\r\n\(upgrade)Sec-WebSocket-Accept: AAAA\r\n\r\n", "the reply does not fit the key"),
        ("HTTP/1.1 101 X\r\n\(upgrade)\(accept)\(accept)\r\n", "the reply does not fit the key"),
        (
            "HTTP/1.1 101 X\r\n\(upgrade)\(accept)Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            "the reply names an extension that was not asked for"
        ),
    ])
    func refuses(text: String, reason: String) {
        #expect(check(text) == .refused(reason))
    }

    @Test func boundsTheReply() {
        #expect(
            check("HTTP/1.1 101 X\r\n" + String(repeating: "X: y\r\n", count: 3000))
                == .refused("the reply is too long"))
        #expect(check(String(repeating: "x", count: 100_000)) == .refused("the reply is too long"))
        #expect(check("") == .incomplete)
    }

    @Test func survivesNoise() {
        var random = SeededNumbers(state: 3)
        for _ in 0..<500 {
            _ = random.bytes(80).withUnsafeBytes { Handshake.checkReply($0, key: Self.key) }
            let noise = Array("HTTP/1.1 101 X\r\n".utf8) + random.bytes(40) + Array("\r\n\r\n".utf8)
            let reply = noise.withUnsafeBytes { Handshake.checkReply($0, key: Self.key) }
            if case .opened = reply { Issue.record("noise opened a connection") }
        }
    }
}

extension String {
    /// A header line with its name in lower case.
    fileprivate var lowercasedName: String {
        let colon = firstIndex(of: ":") ?? startIndex
        return self[..<colon].lowercased() + self[colon...]
    }
}
