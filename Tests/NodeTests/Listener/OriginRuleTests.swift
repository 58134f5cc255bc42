import Codec
import Testing

@testable import Node

@Suite struct OriginRuleTests {
    private static func head(_ origin: String?, host: String = "push.example.com") -> RequestHead {
        let fields = [("host", host)] + (origin.map { [("origin", $0)] } ?? [])
        let text =
            "GET /sse HTTP/1.1\r\n" + fields.map { "\($0.0): \($0.1)\r\n" }.joined() + "\r\n"
        return Array(text.utf8).withUnsafeBytes {
            guard case .head(let head, _) = RequestHeadParser.parse($0, limits: HTTPLimits()) else {
                fatalError("the test's request is none")
            }
            return head
        }
    }

    private static let listed = OriginRule.listed([
        "https://app.example.com", "https://*.shops.example.com", "capacitor://localhost", "http://localhost:3000",
    ])

    @Test(
        arguments: [
            ("https://app.example.com", true), ("HTTPS://APP.Example.COM", true), ("https://example.com", false),
            ("https://app.example.com:8443", false), ("http://app.example.com", false),
            ("https://app.example.com.", false), ("https://a.shops.example.com", true),
            ("https://a.b.shops.example.com", true), ("https://shops.example.com", false),
            ("https://evilshops.example.com", false), ("http://a.shops.example.com", false),
            ("https://a.shops.example.com:8443", false), ("https://.shops.example.com", false),
            ("https://*.shops.example.com", true), ("https://a/b.shops.example.com", false),
            ("capacitor://localhost", true), ("capacitor://a.localhost", false), ("http://localhost:3000", true),
            ("http://localhost", false), ("null", false), ("", false),
            // The own host is not listed.
            ("https://push.example.com", false),
            // The Kelvin sign is canonically a K.
            ("https://app.example.com\u{212A}", false),
        ] as [(String, Bool)])
    func whatIsListed(_ origin: String, _ isAllowed: Bool) {
        #expect(Self.listed.allows(Self.head(origin)) == isAllowed)
    }

    @Test func noPageIsNoPage() {
        #expect(Self.listed.allows(Self.head(nil)))
        #expect(OriginRule.sameHost.allows(Self.head(nil)))
    }

    /// Time to look at an origin is bounded, however many dots it has.
    @Test func longOriginsAreNone() {
        let dots = "https://" + String(repeating: "a.", count: 2000) + "shops.example.com"
        #expect(!Self.listed.allows(Self.head(dots)))
    }

    @Test func pagesMayReadWhatTheyAskFor() {
        #expect(Self.listed.crossOrigin(Self.head(nil)) == nil)
        #expect(Self.listed.crossOrigin(Self.head("https://evil.example")) == nil)
        let allowed = Self.listed.crossOrigin(Self.head("https://app.example.com"))
        let headers = allowed.map { Dictionary($0.headers, uniquingKeysWith: { first, _ in first }) } ?? [:]
        #expect(headers["Access-Control-Allow-Origin"] == "https://app.example.com")
        #expect(headers["Access-Control-Allow-Credentials"] == "true")
        #expect(headers["Vary"] == "Origin")
        // Any page may read, and none with a visitor's cookies.
        let any = OriginRule.any.crossOrigin(Self.head("https://evil.example"))
        #expect(any?.headers.first?.1 == "*")
        #expect(any?.headers.contains { $0.0 == "Access-Control-Allow-Credentials" } == false)
    }

    @Test func aRefusalSaysWhatToChange() {
        let refusal = Self.listed.refusal(of: Self.head("https://push.example.com"))
        #expect(refusal.status == 403 && refusal.message.contains("client.origins"))
        #expect(refusal.message.contains("https://push.example.com"))
    }
}

@Suite struct OriginPatternTests {
    @Test(arguments: [
        "https://app.example.com", "http://localhost", "http://localhost:3000", "https://app.example.com:8443",
        "http://127.0.0.1:8080", "http://[::1]:8080", "https://*.example.com", "https://*.app.example.com:8443",
        "capacitor://localhost", "ionic://localhost", "tauri://localhost", "http://tauri.localhost",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "moz-extension://9c1f7d3a-2b4e-4f5a-8b6c-7d8e9f0a1b2c", "app://obsidian.md", "https://xn--bcher-kva.example",
        "https://app.example.com.", "https://a_b.example.com",
    ])
    func whatBrowsersSend(_ text: String) throws {
        #expect(try OriginPattern(parsing: text).text == text)
        #expect(try OriginPattern(parsing: text.uppercased()).text == text)
    }

    @Test(arguments: [
        ("https://app.example.com:443", "right would be https://app.example.com"),
        ("http://app.example.com:80", "right would be http://app.example.com"),
        ("https://*.example.com:443", "right would be https://*.example.com"),
        ("https://app.example.com/", "right would be https://app.example.com"),
        ("https://app.example.com/page?x=1", "right would be https://app.example.com"),
        ("app.example.com", "begins with a scheme"), ("https:", "begins with a scheme"),
        ("//app.example.com", "begins with a scheme"), ("wss://push.example.com", "right would be https://push"),
        ("https://", "a scheme and a host"), ("https://:8443", "a scheme and a host"),
        ("https://user@app.example.com", "a scheme and a host"), ("null", "null"), ("file://", "null"),
        ("https://app.example.com:0", "the port"), ("https://app.example.com:08443", "the port"),
        ("https://app.example.com:65536", "the port"), ("https://app.example.com:*", "the port"),
        ("https://*", "right would be https://*.example.com"), ("https://*.com", "top-level domain"),
        ("https://app*.example.com", "a wildcard"), ("https://*.*.example.com", "a wildcard"),
        ("https://app.*.com", "a wildcard"), ("https://*.127.0.0.1", "IPv4"), ("http://127.1", "IPv4"),
        ("http://0127.0.0.1", "IPv4"), ("http://256.0.0.1", "IPv4"), ("http://0x7f.1", "IPv4"),
        ("http://[::0001]", "right would be [::1]"), ("http://[::1", "IPv6"), ("http://[1.2.3.4]", "IPv6"),
        ("https://bücher.example", "xn--"), ("https://app..example.com", "name of a host"),
        ("https://a b.example.com", "name of a host"), ("chrome-extension://*", "no browser"),
        ("*://app.example.com", "begins with a scheme"), ("", "begins with a scheme"),
    ])
    func whatNoBrowserSends(_ text: String, _ said: String) {
        do {
            let pattern = try OriginPattern(parsing: text)
            Issue.record("'\(text)' was taken as \(pattern.text)")
        } catch {
            #expect(error.description.contains(said), "\(error)")
        }
    }
}
