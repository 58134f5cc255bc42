import Testing

@testable import Codec

private func parse(_ text: String, limits: HTTPLimits = HTTPLimits()) -> RequestHeadParser.Parsed {
    Array(text.utf8).withUnsafeBytes { RequestHeadParser.parse($0, limits: limits) }
}

private func head(_ text: String) throws -> RequestHead {
    guard case .head(let head, _) = parse(text) else {
        Issue.record("not a head: \(parse(text))")
        throw CancellationError()
    }
    return head
}

private func status(_ text: String) -> Int? {
    if case .failure(let error) = parse(text) { error.status } else { nil }
}

@Suite struct RequestHeadParserTests {
    @Test func readsAHead() throws {
        let text = "GET /raw?channel=a%20b&channel=c+d&x HTTP/1.1\r\nHost: example.com\r\nX-Thing:  two words \r\n\r\nrest"
        guard case .head(let head, let consumed) = parse(text) else {
            Issue.record("not a head")
            return
        }
        #expect(consumed == text.utf8.count - 4)
        #expect(head.method == "GET")
        #expect(head.path == "/raw")
        #expect(head.query.map(\.name) == ["channel", "channel", "x"])
        #expect(head.query.map(\.value) == ["a b", "c d", ""])
        #expect(head.header("x-thing") == "two words")
        #expect(!head.hasBody)
    }

    @Test func waitsForTheEnd() {
        let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        for end in 0..<text.utf8.count {
            guard case .incomplete = parse(String(text.prefix(end))) else {
                Issue.record("not incomplete at \(end)")
                return
            }
        }
    }

    @Test func readsListsOfTokens() throws {
        let head = try head(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nConnection: x\r\nSec-WebSocket-Protocol: a, b\r\n\r\n")
        #expect(head.header("connection", hasToken: "upgrade"))
        #expect(head.header("connection", hasToken: "x"))
        #expect(!head.header("connection", hasToken: "keep"))
        #expect(head.protocols == ["a", "b"])
    }

    static let refused: [(String, Int)] = [
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\r\nHost: a\r\n\r\n", 400),
        ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{1}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /?a=%0d%0aX:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}", 400),
    ]

    @Test(arguments: refused)
    func refuses(text: String, expected: Int) {
        #expect(status(text) == expected)
    }

    @Test func boundsEverything() {
        let start = "GET / HTTP/1.1\r\nHost: a\r\n"
        #expect(status(start + String(repeating: "X: y\r\n", count: 2000) + "\r\n") == 431)
        #expect(status(start + String(repeating: "X: y\r\n", count: 64) + "\r\n") == 431)
        #expect(status(start + "X: " + String(repeating: "y", count: 8192) + "\r\n\r\n") == 431)
        #expect(status(start + "X: " + String(repeating: "y", count: 20_000)) == 431)
        #expect(status("GET /" + String(repeating: "y", count: 4096) + " HTTP/1.1\r\nHost: a\r\n\r\n") == 414)
        #expect(status("GET /" + String(repeating: "y", count: 6000)) == 414)
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func survivesNoise(seed: UInt64) {
        var random = Seeded(state: seed)
        let alphabet = Array("GET / HTTP/1.1\r\n\r\nHost: a%?&=\0\u{7F}".utf8)
        for _ in 0..<200 {
            let bytes = (0..<Int(random.next() % 200)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
            bytes.withUnsafeBytes { _ = RequestHeadParser.parse($0, limits: HTTPLimits()) }
        }
    }
}

@Suite struct HandshakeTests {
    private func request(
        _ method: String = "GET", upgrade: String? = "websocket", connection: String? = "Upgrade",
        version: String? = "13", key: String? = "dGhlIHNhbXBsZSBub25jZQ==", more: String = ""
    ) throws -> RequestHead {
        var text = "\(method) /raw HTTP/1.1\r\nHost: a\r\n"
        if let upgrade { text += "Upgrade: \(upgrade)\r\n" }
        if let connection { text += "Connection: \(connection)\r\n" }
        if let version { text += "Sec-WebSocket-Version: \(version)\r\n" }
        if let key { text += "Sec-WebSocket-Key: \(key)\r\n" }
        return try head(text + more + "\r\n")
    }

    private func refusal(_ head: RequestHead) -> Int? {
        if case .failure(let error) = Handshake.check(head) { error.status } else { nil }
    }

    /// RFC 6455 1.3.
    @Test func answersTheExampleOfTheStandard() throws {
        let accepted = try Handshake.check(request()).get()
        #expect(accepted.accept == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }

    @Test func refusesWhatIsNotAnUpgrade() throws {
        #expect(refusal(try request("POST")) == 405)
        #expect(refusal(try request(upgrade: nil)) == 426)
        #expect(refusal(try request(upgrade: "h2c")) == 426)
        #expect(refusal(try request(connection: nil)) == 426)
        #expect(refusal(try request(version: "777")) == 426)
        #expect(refusal(try request(version: nil)) == 426)
        #expect(refusal(try request(key: nil)) == 400)
        #expect(refusal(try request(key: "c2hvcnQ=")) == 400)
        #expect(refusal(try request(key: "dGhlIHNhbXBsZSBub25jZQ=!")) == 400)
        #expect(refusal(try request(more: "Content-Length: 5\r\n")) == 400)
        #expect(refusal(try request(more: "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")) == 400)
    }

    @Test func saysWhichVersionIsSpoken() throws {
        guard case .failure(let error) = Handshake.check(try request(version: "8")) else {
            Issue.record("was accepted")
            return
        }
        #expect(error.headers.contains { $0.name == "Sec-WebSocket-Version" && $0.value == "13" })
    }

    @Test func understandsItsOwnReply() {
        let writer = ByteWriter()
        Handshake.writeResponse(accept: Handshake.accept(for: "key"), protocol: nil, to: writer)
        let reply = Array(writer.bytes)
        reply.withUnsafeBytes { #expect(Handshake.checkReply($0, key: "key") == .opened(consumed: reply.count)) }
        reply.withUnsafeBytes {
            #expect(Handshake.checkReply($0, key: "other") == .refused("the reply does not fit the key"))
        }
        reply.dropLast().withUnsafeBytes { #expect(Handshake.checkReply($0, key: "key") == .incomplete) }
    }

    @Test func refusalsAreWholeResponses() {
        let writer = ByteWriter()
        HTTPError(
            status: 400, code: "x", message: "a \"quoted\"\r\nthing", headers: [("Good", "1"), ("Bad", "1\r\nX: 2")]
        ).write(to: writer)
        let text = String(decoding: writer.bytes, as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
        #expect(text.hasSuffix(#"{"error":{"code":"x","message":"a \"quoted\"\r\nthing"}}"# + "\n"))
        #expect(text.contains("Good: 1\r\n") && !text.contains("Bad"), "a header that would end its line is left out")
    }
}
