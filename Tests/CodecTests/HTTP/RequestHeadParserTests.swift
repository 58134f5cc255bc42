import Testing

@testable import Codec

@Suite struct RequestHeadParserTests {
    @Test func readsAHead() throws {
        let text =
            "GET /raw?channel=a%20b&channel=c+d&x HTTP/1.1\r\nHost: example.com\r\nX-Thing:  two words \r\n\r\nrest"
        guard case .head(let head, let consumed) = ParsedHead.parse(text) else {
            Issue.record("not a head")
            return
        }
        #expect(consumed == text.utf8.count - 4)
        #expect(head.method == "GET")
        #expect(head.target == "/raw?channel=a%20b&channel=c+d&x")
        #expect(head.path == "/raw")
        #expect(head.version == .http11)
        #expect(head.query.map(\.name) == ["channel", "channel", "x"])
        #expect(head.query.map(\.value) == ["a b", "c d", ""])
        #expect(head.headers.count == 2)
        #expect(head.header("x-thing") == "two words")
        #expect(!head.hasBody)
    }

    /// A second request behind the first is not looked at, whatever it is.
    @Test func takesOneHeadOnly() {
        let first = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        guard case .head(_, let consumed) = ParsedHead.parse(first + "GET /admin HTTP/1.1\nHost\r\n\r\n") else {
            Issue.record("not a head")
            return
        }
        #expect(consumed == first.utf8.count)
    }

    /// Balancers probe with it, and without a host.
    @Test func readsHTTP10() throws {
        let head = try ParsedHead.head("GET /health HTTP/1.0\r\n\r\n")
        #expect(head.version == .http10)
        #expect(head.path == "/health")
    }

    /// RFC 9112 3.2.2: a server has to take them, and their host counts more than the one beside it.
    @Test(
        arguments: [
            ("http://push.example.com/raw?channel=a", "push.example.com", "/raw?channel=a", "/raw"),
            ("HTTP://Push.Example.com:8000/sse", "Push.Example.com:8000", "/sse", "/sse"),
            ("https://[::1]:8000", "[::1]:8000", "/", "/"),
            ("http://a?channel=b", "a", "/?channel=b", "/"),
            ("http://a//raw", "a", "//raw", "//raw"),
        ] as [(String, String, String, String)])
    func takesWholeAddresses(_ target: String, _ host: String, _ origin: String, _ path: String) throws {
        let head = try ParsedHead.head("GET \(target) HTTP/1.1\r\nX: 1\r\nHost: other\r\nY: 2\r\n\r\n")
        #expect(head.target == origin)
        #expect(head.path == path)
        #expect(head.headers.filter { $0.name == "host" }.map(\.value) == [host])
        #expect(head.headers.count == 3)
    }

    @Test func waitsForTheEnd() {
        let bytes = Array("GET /?a=b HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n".utf8)
        for end in 0..<bytes.count { #expect(ParsedHead.isIncomplete(bytes[..<end]), "\(end) bytes") }
        #expect(!ParsedHead.isIncomplete(bytes))
    }

    static let refused: [(String, Int)] = [
        // The request line (RFC 9112 3).
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\r\nHost: a\r\n\r\n", 400),
        ("GET\r\n\r\n", 400),
        ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http:///raw HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://u@a/raw HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET ftp://a/raw HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http:/raw HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET raw HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://a/#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /ü HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}", 400),
        // The host (RFC 9112 3.2).
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        // Lines (RFC 9112 2.2 and 5).
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n\tfolded: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{1}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{0}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{7F}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nÜ: b\r\n\r\n", 400),
        // The length of a body, in two ways (RFC 9112 6).
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
        // Escapes (RFC 3986 2.1).
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /% HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%0d%0aX:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /?a=%0d%0aX:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /?%7f=a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /?a=%c3 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ]

    @Test(arguments: refused)
    func refuses(text: String, expected: Int) {
        #expect(ParsedHead.status(text) == expected)
    }

    /// A byte at a time, a refused request is refused too, at its end at the latest.
    @Test(arguments: refused)
    func refusesBytewise(text: String, expected: Int) {
        let bytes = Array(text.utf8)
        for end in 1...bytes.count {
            switch bytes[..<end].withUnsafeBytes({ RequestHeadParser.parse($0, limits: HTTPLimits()) }) {
            case .incomplete: continue
            case .head: Issue.record("was accepted at \(end)")
            case .failure(let error): #expect(error.status == expected)
            }
            return
        }
        Issue.record("was never refused")
    }

    /// What more bytes cannot mend is refused without them.
    @Test(arguments: ["GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n", "\u{16}", "\n", " "])
    func refusesAtOnce(text: String) {
        #expect(ParsedHead.status(text) == 400)
    }

    @Test func boundsEverything() {
        let start = "GET / HTTP/1.1\r\nHost: a\r\n"
        #expect(ParsedHead.status(start + String(repeating: "X: y\r\n", count: 2000) + "\r\n") == 431)
        #expect(ParsedHead.status(start + String(repeating: "X: y\r\n", count: 64) + "\r\n") == 431)
        #expect(ParsedHead.status(start + String(repeating: "X: y\r\n", count: 63) + "\r\n") == nil)
        #expect(ParsedHead.status(start + "X: " + String(repeating: "y", count: 8190) + "\r\n\r\n") == 431)
        #expect(ParsedHead.status(start + "X: " + String(repeating: "y", count: 8189) + "\r\n\r\n") == nil)
        #expect(ParsedHead.status(start + "X: " + String(repeating: "y", count: 20_000)) == 431)
        #expect(ParsedHead.status(start + "X: " + String(repeating: "y", count: 1 << 20) + "\r\n\r\n") == 431)
        #expect(
            ParsedHead.status("GET /" + String(repeating: "y", count: 4096) + " HTTP/1.1\r\nHost: a\r\n\r\n") == 414)
        #expect(
            ParsedHead.status("GET /" + String(repeating: "y", count: 4095) + " HTTP/1.1\r\nHost: a\r\n\r\n") == nil)
        #expect(ParsedHead.status("GET /" + String(repeating: "y", count: 6000)) == 414)
        #expect(ParsedHead.status(String(repeating: "G", count: 6000)) == 414)
    }

    /// A method so long that its line is refused before it ends is refused as well when all came at once.
    @Test func boundsTheRequestLineHoweverItIsCut() {
        for (count, status) in [(4148, nil), (4149, 414)] as [(Int, Int?)] {
            let line = String(repeating: "G", count: count) + " / HTTP/1.1\r"
            #expect(ParsedHead.status(line) == status, "\(count)")
            #expect(ParsedHead.status(line + "\nHost: a\r\n\r\n") == status, "\(count)")
        }
    }

    /// The whole head may have exactly its limit.
    @Test func boundsTheWholeHead() {
        var limits = HTTPLimits()
        let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        limits.totalBytes = text.utf8.count
        #expect(ParsedHead.status(text, limits: limits) == nil)
        #expect(ParsedHead.status(text + "behind it", limits: limits) == nil)
        limits.totalBytes -= 1
        #expect(ParsedHead.status(text, limits: limits) == 431)
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func survivesNoise(seed: UInt64) {
        var random = SeededNumbers(state: seed)
        let words = [
            "GET", " ", "/", "HTTP/1.1", "\r\n", "\r\n\r\n", "\n", "\r", "Host: a", ":", "%", "%41", "?", "&", "=",
            "\0", "\u{7F}",
            "Content-Length: ", "1", "ü",
        ]
        for _ in 0..<300 {
            let text = (0..<Int.random(in: 0..<25, using: &random)).map { _ in words.randomElement(using: &random) ?? ""
            }
            _ = ParsedHead.parse(text.joined())
            _ = ParsedHead.parse("GET / HTTP/1.1\r\nHost: a\r\n" + text.joined() + "\r\n\r\n")
            _ = ParsedHead.parse("GET /" + text.joined() + " HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = random.bytes(60).withUnsafeBytes { RequestHeadParser.parse($0, limits: HTTPLimits()) }
        }
    }
}
