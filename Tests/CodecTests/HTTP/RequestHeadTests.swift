import Testing

@testable import Codec

@Suite struct RequestHeadTests {
    private func head(_ headers: String) throws -> RequestHead {
        try ParsedHead.head("GET / HTTP/1.1\r\nHost: a\r\n\(headers)\r\n")
    }

    @Test func readsListsOfTokens() throws {
        let head = try head(
            "Connection: keep-alive ,\tUPGRADE\r\nConnection: x\r\nSec-WebSocket-Protocol: a, b\r\n"
                + "sec-websocket-protocol: ,c ,\r\n")
        #expect(head.header("connection", hasToken: "upgrade"))
        #expect(head.header("connection", hasToken: "x"))
        #expect(head.header("connection", hasToken: "keep-alive"))
        #expect(!head.header("connection", hasToken: "keep"))
        #expect(!head.header("connection", hasToken: "upgrade2"))
        #expect(!head.header("upgrade", hasToken: "websocket"))
        #expect(head.protocols == ["a", "b", "c"])
    }

    @Test func namesHaveNoCaseAndTheFirstValueCounts() throws {
        let head = try head("X-Thing: 1\r\nx-tHING: 2\r\nEmpty:\r\n")
        #expect(head.header("x-thing") == "1")
        #expect(head.header("empty") == "")
        #expect(head.header("absent") == nil)
        #expect(head.headers.map(\.name) == ["host", "x-thing", "x-thing", "empty"])
    }

    @Test(arguments: [
        ("", false), ("Content-Length: 0\r\n", false), ("Content-Length: 00\r\n", false),
        ("Content-Length: 5\r\n", true),
        ("Content-Length: 99999999999999999999999999\r\n", true), ("Transfer-Encoding: chunked\r\n", true),
        ("Transfer-Encoding: chunked, identity\r\n", true), ("Transfer-Encoding:\r\n", true),
    ])
    func knowsWhetherABodyFollows(headers: String, expected: Bool) throws {
        #expect(try head(headers).hasBody == expected)
    }

    @Test(arguments: ["a", "a:80", "example.com:8000", "[::1]:80", "127.0.0.1", "", "xn--bcher-kva.example", "a_b"])
    func readsHosts(host: String) throws {
        let head = try ParsedHead.head("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")
        #expect(head.header("host") == host)
    }

    /// Bytes beyond ASCII are old but allowed (RFC 9110 5.5); what is not UTF-8 is made so.
    @Test func valuesAreAlwaysText() throws {
        #expect(try head("X: grüße\r\n").header("x") == "grüße")
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + [0xFF] + Array("\r\n\r\n".utf8)
        guard case .head(let head, _) = bytes.withUnsafeBytes({ RequestHeadParser.parse($0, limits: HTTPLimits()) })
        else {
            Issue.record("not a head")
            return
        }
        #expect(head.header("x") == "\u{FFFD}")
    }

    /// The query as a page's `URLSearchParams` would read it.
    @Test(
        arguments: [
            ("", []), ("?", []), ("?a", [["a", ""]]), ("?a=", [["a", ""]]), ("?=b", [["", "b"]]),
            ("?a=b=c", [["a", "b=c"]]),
            ("?a=1&a=2&&b=3&", [["a", "1"], ["a", "2"], ["b", "3"]]), ("?a=%26%3D%2B+", [["a", "&=+ "]]),
            ("?%C3%BC=%F0%9F%8E%89", [["ü", "🎉"]]), ("?a?b=/?", [["a?b", "/?"]]), ("?a={|}\"", [["a", "{|}\""]]),
        ] as [(String, [[String]])])
    func readsQueries(text: String, expected: [[String]]) throws {
        let head = try ParsedHead.head("GET /p\(text) HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(head.path == "/p")
        #expect(head.query.map { [$0.name, $0.value] } == expected)
    }

    @Test(arguments: [
        ("/a%20b", "/a b"), ("/a+b", "/a+b"), ("/%E4%B8%96", "/世"), ("//x/../y", "//x/../y"), ("/%2f", "//"),
    ])
    func readsPaths(target: String, path: String) throws {
        #expect(try ParsedHead.head("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n").path == path)
    }
}
