import Testing

@testable import Codec

@Suite struct HandshakeTests {
    private func request(
        _ method: String = "GET", upgrade: String? = "websocket", connection: String? = "Upgrade",
        version: String? = "13", key: String? = "dGhlIHNhbXBsZSBub25jZQ==", http: String = "1.1", more: String = ""
    ) throws -> RequestHead {
        var text = "\(method) /raw HTTP/\(http)\r\nHost: a\r\n"
        if let upgrade { text += "Upgrade: \(upgrade)\r\n" }
        if let connection { text += "Connection: \(connection)\r\n" }
        if let version { text += "Sec-WebSocket-Version: \(version)\r\n" }
        if let key { text += "Sec-WebSocket-Key: \(key)\r\n" }
        return try ParsedHead.head(text + more + "\r\n")
    }

    private func refusal(_ head: RequestHead) -> Int? {
        if case .failure(let error) = Handshake.check(head) { error.status } else { nil }
    }

    /// RFC 6455 1.3.
    @Test func answersTheExampleOfTheStandard() throws {
        let accepted = try Handshake.check(request()).get()
        #expect(accepted == Handshake.Accepted(accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", protocols: [], extensions: nil))
    }

    @Test func acceptsWhatClientsReallySend() throws {
        #expect(refusal(try request(upgrade: "WebSocket", connection: "keep-alive, Upgrade")) == nil)
        #expect(refusal(try request(more: "Content-Length: 0\r\n")) == nil)
        let accepted = try Handshake.check(
            request(
                more:
                    "Sec-WebSocket-Protocol: centrifuge-json, x\r\nSec-WebSocket-Extensions: permessage-deflate; a\r\n"
                    + "Sec-WebSocket-Extensions: b\r\n")
        ).get()
        #expect(accepted.protocols == ["centrifuge-json", "x"])
        #expect(accepted.extensions == "permessage-deflate; a, b")
    }

    /// Abuse V18.
    @Test func refusesWhatIsNotAnUpgrade() throws {
        #expect(refusal(try request("POST")) == 405)
        #expect(refusal(try request("get")) == 405)
        #expect(refusal(try request(http: "1.0")) == 505)
        #expect(refusal(try request(upgrade: nil)) == 426)
        #expect(refusal(try request(upgrade: "h2c")) == 426)
        #expect(refusal(try request(upgrade: "websocket2")) == 426)
        #expect(refusal(try request(connection: nil)) == 426)
        #expect(refusal(try request(connection: "close")) == 426)
        #expect(refusal(try request(version: "777")) == 426)
        #expect(refusal(try request(version: "8, 13")) == 426)
        #expect(refusal(try request(version: nil)) == 426)
        #expect(refusal(try request(more: "Sec-WebSocket-Version: 13\r\n")) == 426)
        #expect(refusal(try request(key: nil)) == 400)
        #expect(refusal(try request(key: "")) == 400)
        #expect(refusal(try request(key: "c2hvcnQ=")) == 400)
        #expect(refusal(try request(key: "dGhlIHNhbXBsZSBub25jZQ=!")) == 400)
        #expect(refusal(try request(key: "dGhlIHNhbXBsZSBub25jZQA=")) == 400)
        #expect(refusal(try request(key: "dGhlIHNhbX sZSBub25jZQ==")) == 400)
        #expect(refusal(try request(key: "dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==")) == 400)
        #expect(refusal(try request(more: "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")) == 400)
        #expect(refusal(try request(more: "Content-Length: 5\r\n")) == 400)
        #expect(refusal(try request(more: "Transfer-Encoding: chunked, identity\r\n")) == 400)
    }

    /// A 426 says what is spoken, and the connection ends: nothing is ever read behind a refused upgrade.
    @Test func saysWhichVersionIsSpoken() throws {
        guard case .failure(let error) = Handshake.check(try request(version: "8")) else {
            Issue.record("was accepted")
            return
        }
        let text = Written.text { error.write(to: $0) }
        #expect(text.hasPrefix("HTTP/1.1 426 Upgrade Required\r\n"))
        #expect(text.contains("\r\nUpgrade: websocket\r\n"))
        #expect(text.contains("\r\nSec-WebSocket-Version: 13\r\n"))
        #expect(text.contains("\r\nConnection: close\r\n"))
    }

    @Test func writesTheReply() {
        let plain = Written.text { Handshake.writeResponse(accept: "abc", protocol: nil, to: $0) }
        #expect(
            plain == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Accept: abc\r\n\r\n")
        let chosen = Written.text { Handshake.writeResponse(accept: "abc", protocol: "centrifuge-json", to: $0) }
        #expect(chosen.hasSuffix("Sec-WebSocket-Accept: abc\r\nSec-WebSocket-Protocol: centrifuge-json\r\n\r\n"))
    }

    /// Abuse V19: not even a subprotocol of ours could add a header.
    @Test func echoesNoHeader() {
        let text = Written.text { Handshake.writeResponse(accept: "abc", protocol: "a\r\nX: 1", to: $0) }
        #expect(!text.contains("X: 1"))
    }

    /// What our client asks, our server answers, and our client understands.
    @Test func bothSidesUnderstandEachOther() throws {
        let key = "dGhlIHNhbXBsZSBub25jZQ=="
        let request = Written.text {
            Handshake.writeRequest(host: "a:1", target: "/raw?channel=b", key: key, protocols: ["x", "y"], to: $0)
        }
        let head = try ParsedHead.head(request)
        #expect(head.query.map(\.value) == ["b"])
        let accepted = try Handshake.check(head).get()
        #expect(accepted.protocols == ["x", "y"])
        let reply = Written.bytes { Handshake.writeResponse(accept: accepted.accept, protocol: "y", to: $0) }
        #expect(
            (reply + [1, 2]).withUnsafeBytes { Handshake.checkReply($0, key: key) } == .opened(consumed: reply.count))
        for end in 0..<reply.count {
            #expect(reply[..<end].withUnsafeBytes { Handshake.checkReply($0, key: key) } == .incomplete)
        }
    }
}
