import Codec
import Foundation
import Testing

@testable import Node

private func head(_ target: String, _ lines: [String]) throws -> RequestHead {
    let text = (["GET \(target) HTTP/1.1", "Host: node"] + lines + ["", ""]).joined(separator: "\r\n")
    let parsed = Array(text.utf8).withUnsafeBytes { RequestHeadParser.parse($0, limits: HTTPLimits()) }
    guard case .head(let head, _) = parsed else {
        throw HTTPError(status: 400, code: "bad_request", message: "\(parsed)")
    }
    return head
}

@Suite struct HeaderForwardingTests {
    private let stranger = IPAddress(parsing: "192.0.2.7".utf8)
    private let proxy = IPAddress(parsing: "10.0.0.5".utf8)

    private func passed(
        _ lines: [String], from peer: IPAddress?, names: Set<String> = HeaderForwarding.defaultNames
    ) throws -> [String] {
        let forwarding = HeaderForwarding(names: names, proxies: [try AddressRange(parsing: "10.0.0.0/8")])
        return forwarding.headers(of: try head("/raw?channel=a", lines), from: peer).map { "\($0.name)=\($0.value)" }
    }

    @Test func whatAClientSaysOfItsAddressIsLeftOut() throws {
        let lines = [
            "X-Forwarded-For: 127.0.0.1", "x-real-ip: 127.0.0.1", "Forwarded: for=127.0.0.1", "User-Agent: curl",
            "CF-Connecting-IP: 127.0.0.1", "X-Forwarded-Host: inside", "X_Forwarded_For: 127.0.0.1", "X-Request-Id: 7",
        ]
        let all = HeaderForwarding.defaultNames.union(["forwarded", "cf-connecting-ip", "x-forwarded-host"])
        #expect(try passed(lines, from: stranger, names: all) == ["user-agent=curl", "x-request-id=7"])
        // Over a Unix socket nobody knows who it is.
        #expect(try passed(lines, from: nil) == ["user-agent=curl", "x-request-id=7"])
        #expect(
            try passed(lines, from: proxy)
                == ["x-forwarded-for=127.0.0.1", "x-real-ip=127.0.0.1", "user-agent=curl", "x-request-id=7"])
    }

    @Test func eachNameIsThereOnce() throws {
        let lines = [
            "Cookie: a=1", "User-Agent: one", "COOKIE: b=2; c=3", "X-Request-Id: 1", "cookie: d=4", "User-Agent: two",
        ]
        #expect(
            try passed(lines, from: stranger)
                == ["cookie=a=1; b=2; c=3; d=4", "user-agent=one, two", "x-request-id=1"])
    }

    @Test func onlyWhatIsNamedIsPassedOn() throws {
        #expect(
            try passed(["Cookie: a=1", "Origin: https://a"], from: stranger, names: ["origin"]) == ["origin=https://a"])
    }
}

@Suite struct ConnectQuestionTests {
    private func question(_ head: RequestHead, data: String? = nil) -> [UInt8] {
        ConnectHook.body(
            of: ConnectRequest(
                client: SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 4)), dialect: .raw,
                target: head.target(without: ["token"]), remote: "192.0.2.7", token: head.token(cookie: nil),
                headers: HeaderForwarding().headers(of: head, from: nil), data: data.map { Array($0.utf8) }))
    }

    private func count(_ key: String, _ body: [UInt8]) -> Int {
        String(decoding: body, as: UTF8.self).components(separatedBy: "\"\(key)\":").count - 1
    }

    @Test func isJSONWithEachKeyOnce() throws {
        let head = try head(
            "/raw?channel=a", ["Cookie: a=\"1\"", "Cookie: b=\u{7f9}\t2", "X-Request-Id: 1", "X-Request-Id: 2\\\\"])
        let body = question(head, data: #"{"client":"x"}"#)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any])
        #expect(
            object["headers"] as? [String: String] == ["cookie": "a=\"1\"; b=\u{7f9}\t2", "x-request-id": "1, 2\\\\"])
        #expect(object["data"] as? [String: String] == ["client": "x"])
        #expect(count("cookie", body) == 1 && count("x-request-id", body) == 1 && count("headers", body) == 1)
    }

    @Test(arguments: [#"{"a":1},"client":"x""#, "", "{", "1 2", "]", "nul"]) func dataThatIsNotJSONIsLeftOut(
        _ data: String
    ) throws {
        let body = question(try head("/raw?channel=a", []), data: data)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any])
        #expect(object["data"] == nil && count("client", body) == 1)
    }

    @Test(
        arguments: [
            ("/raw?channel=a&token=s3cret", "/raw?channel=a"), ("/raw?token=s3cret&channel=a", "/raw?channel=a"),
            ("/raw?token=s3cret", "/raw"), ("/raw?%74oken=s3cret&&channel=%20&token=s3cret2", "/raw?channel=%20"),
            ("/raw?channel=a", "/raw?channel=a"), ("/raw", "/raw"), ("/raw?", "/raw?"),
            ("/raw?tokens=1&Token=2", "/raw?tokens=1&Token=2"),
        ])
    func aTokenIsNotInTheTarget(_ target: String, _ expected: String) throws {
        let head = try head(target, [])
        #expect(head.target(without: ["token"]) == expected)
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(question(head))) as? [String: Any])
        #expect(object["target"] as? String == expected)
        #expect(object["token"] as? String == (target.contains("s3cret") ? "s3cret" : nil))
    }
}

@Suite struct RequestTokenTests {
    @Test func isFoundInAnyCookieLine() throws {
        let head = try head("/raw", ["Cookie: a=1; b=2", "Cookie: session=T; c=3"])
        #expect(head.token(cookie: "session") == "T")
        #expect(head.token(cookie: "sess") == nil && head.token(cookie: nil) == nil)
        // The Kelvin sign is another way to write K, and another name.
        #expect(try Self.token(["Cookie: \u{212A}=evil; K=good"], "K") == "good")
        #expect(try Self.token(["Cookie: session=first; session=second"], "session") == "first")
        #expect(try Self.token(["Cookie: session="], "session") == nil)
    }

    private static func token(_ lines: [String], _ cookie: String) throws -> String? {
        try head("/raw", lines).token(cookie: cookie)
    }

    @Test func theHeaderComesFirstAndOnce() throws {
        let lines = ["Authorization: bEARER  abc", "Cookie: session=T"]
        #expect(try head("/raw?token=q", lines).token(cookie: "session") == "abc")
        #expect(try head("/raw?token=q", ["Cookie: session=T"]).token(cookie: "session") == "q")
        #expect(throws: HTTPError.self) {
            try head("/raw", ["Authorization: Bearer a", "authorization: Bearer b"])
        }
    }
}

@Suite struct HookConfigurationTests {
    private func problems(_ text: String) -> [String] {
        do {
            _ = try ConfigurationReader.read(text, source: "c.yaml", environment: [:])
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    private func configuration(_ origins: String, _ hook: String) -> String {
        "client: { origins: \(origins) }\nauth: { connect_hook: { url: \"https://app.example.com/c\"\(hook) } }\n"
    }

    @Test func anyPageAndCookiesAreAContradiction() {
        for hook in ["", ", forward: [cookie]", ", forward: [Authorization, origin]"] {
            let found = problems(configuration(#"["*"]"#, hook))
            #expect(
                found.count == 1 && found[0].contains("client.origins")
                    && found[0].contains("auth.connect_hook.forward"), "\(found)")
        }
        #expect(problems(configuration(#"["*"]"#, ", forward: [origin, user-agent]")).isEmpty)
        #expect(problems(configuration(#"["*"]"#, ", forward: []")).isEmpty)
        #expect(problems(configuration(#"["https://app.example.com"]"#, "")).isEmpty)
        #expect(problems("client: { origins: [\"*\"] }").isEmpty)
    }

    @Test func readsWhatIsPassedOn() throws {
        let read = try ConfigurationReader.read(
            configuration(#"["https://a"]"#, ", forward: [Cookie, X-Tenant], proxies: [10.0.0.0/8, \"::1\"]"),
            source: "c.yaml",
            environment: [:])
        #expect(read.connectHookForwarding.names == ["cookie", "x-tenant"])
        #expect(read.connectHookForwarding.proxies.map(\.description) == ["10.0.0.0/8", "::1/128"])
        #expect(read.effective.contains { $0.path == "auth.connect_hook.forward" && $0.value == "cookie, x-tenant" })
        #expect(problems(configuration("[]", ", forward: [\"a b\"]")).count == 1)
        #expect(problems(configuration("[]", ", forward: [Connection]")).count == 1)
        #expect(problems(configuration("[]", ", proxies: [nginx]")).count == 1)
    }
}
