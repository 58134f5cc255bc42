import Codec
import Testing

@testable import Node

/// The list `hubs`.
@Suite struct ConfigurationHubsTests {
    static let key = "0123456789abcdef0123456789abcdef"
    static let other = "fedcba9876543210fedcba9876543210"

    static let whole = """
        auth: { keys: [{ secret: "\(key)" }] }
        hubs:
          - path: /chat
            prefix: "chat:"
            everyone: lobby
            keys: ["${KEY}", "\(other)"]
            methods: { join: JoinGroup, leave: LeaveGroup, send_to_group: SendToGroup, send_to_user: SendToUser, send_to_all: Broadcast }
            message_bytes: 32KiB
            token_ttl: 10m
          - { path: /scores }
        """

    @Test func everyKeyIsRead() throws {
        let hubs = try read(Self.whole, ["KEY": Self.key]).hubs
        #expect(hubs.map(\.path) == ["/chat", "/scores"])
        #expect(hubs[0].prefix == Array("chat:".utf8) && hubs[0].everyone.description == "chat:lobby")
        #expect(hubs[0].keys == [Self.key, Self.other].map { Array($0.utf8) })
        #expect(hubs[0].messageBytes == 32_768 && hubs[0].tokenSeconds == 600)
        #expect(Set(hubs[0].methods.map(\.action)) == Set(HubRule.Action.allCases))
        #expect(hubs[0].action(named: Array("broadcast".utf8)) == .sendToAll)
        #expect(hubs[1].prefix == [] && hubs[1].everyone.description == "all" && hubs[1].methods == [])
        #expect(hubs[1].messageBytes == nil && hubs[1].tokenSeconds == 3600)
    }

    @Test func theEnvironmentReplacesTheList() throws {
        let hubs = try read(Self.whole, ["KEY": Self.key, "CARILLON_HUBS": "[{ path: /a }]"]).hubs
        #expect(hubs == [HubRule(path: "/a")])
        #expect(try Configuration().reloaded(to: read("hubs: [{ path: /a }]"), keeping: ["hubs"]).hubs == [])
    }

    static let wrong: [(text: String, said: String)] = [
        ("hubs: { path: /a }", "c.yaml:1:7: 'hubs' has to be a list of hubs, not a mapping"),
        ("hubs: [/a]", "a hub has to be a mapping"), ("hubs: [{ prefix: a }]", "the hub has no path: add path: /chat"),
        ("hubs: [{ pat: /a }]", "unknown key 'pat'; did you mean 'path'?"),
        ("hubs: [{ path: a }]", "'a' cannot be the path of a hub"),
        ("hubs: [{ path: /a/ }]", "cannot be the path of a hub"),
        ("hubs: [{ path: \"/a?b\" }]", "cannot be the path of a hub"),
        ("hubs: [{ path: / }]", "cannot be the path of a hub"),
        ("hubs: [{ path: /a/negotiate }]", "cannot be the path of a hub"),
        ("hubs: [{ path: \"/\u{e9}\" }]", "cannot be the path of a hub"),
        ("hubs: [{ path: /a, prefix: $a }]", "'prefix': '$a' cannot begin the name of a channel"),
        ("hubs: [{ path: /a, prefix: \"a b\" }]", "cannot begin the name of a channel"),
        ("hubs: [{ path: /a, everyone: \"a b\" }]", "'everyone': 'a b' behind the prefix is not the name of a channel"),
        ("hubs: [{ path: /a, keys: short }]", "'keys' has to be a list of one or two secrets"),
        ("hubs: [{ path: /a, keys: [short] }]", "a key has at least 32 bytes, this one has 5"),
        ("hubs: [{ path: /a, keys: [\"\(key)\", \"\(key)\"] }]", "a key is listed twice"),
        ("hubs: [{ path: /a, keys: [\"\(key)\", \"\(other)\", \"\(key)x\"] }]", "at most two keys are possible"),
        ("hubs: [{ path: /a, keys: [\"${NONE}\"] }]", "the environment variable NONE is not set"),
        ("hubs: [{ path: /a, methods: [join] }]", "'methods' has to be a mapping"),
        ("hubs: [{ path: /a, methods: { joins: J } }]", "unknown action 'joins'; did you mean 'join'?"),
        ("hubs: [{ path: /a, methods: { join: J, leave: j } }]", "'j' is the name of two methods"),
        ("hubs: [{ path: /a, methods: { join: \"a\\nb\" } }]", "a method's name has 1 to 255 bytes"),
        ("hubs: [{ path: /a, message_bytes: 1 }]", "'message_bytes': 1 is out of range"),
        ("hubs: [{ path: /a, token_ttl: 1s }]", "'token_ttl': 1s is out of range"),
        ("hubs: [{ path: /a }, { path: /a }]", "two hubs have the path '/a'"),
        ("hubs: [{ path: /sse }]", "a hub cannot have the path '/sse'"),
        ("hubs: [{ path: /health }]", "a hub cannot have the path '/health'"),
        ("hubs: [{ path: /client }]", "a hub cannot have the path '/client'"),
        ("backplane: { kind: redis }\nhubs: [{ path: /a }]", "the hub '/a' has no keys"),
    ]

    @Test(arguments: wrong)
    func whatCannotBeIsSaid(_ text: String, _ said: String) {
        let found = errors(text)
        #expect(found.contains { $0.contains(said) }, "\(found)")
    }

    @Test(
        arguments: [
            ("hubs: [{ path: /a }, { path: /b }]", "the hubs '/a' and '/b' have the same channel for everyone, 'all'"),
            (
                "hubs: [{ path: /a, methods: { send_to_user: S } }]",
                "the hub '/a' has send_to_user: S, and no client has a user id"
            ),
            (
                "hubs: [{ path: /a, message_bytes: 1MiB }]",
                "message_bytes of the hub '/a' is more than limits.message_bytes"
            ),
        ])
    func whatMayNotBeMeantIsAWarning(_ text: String, _ said: String) throws {
        let warnings = try read(text).warnings.map(\.description)
        #expect(warnings.contains { $0.contains(said) }, "\(warnings)")
    }

    @Test func twoPathsThatLookTheSameInsideAreRefused() throws {
        var seen: [UInt16: String] = [:]
        var pair: (String, String)?
        for number in 0..<70_000 {
            let path = "/\(number)"
            if let other = seen.updateValue(path, forKey: HubRule(path: path).number) {
                pair = (other, path)
                break
            }
        }
        let (one, two) = try #require(pair)
        #expect(
            errors("hubs: [{ path: \(one) }, { path: \(two), prefix: x }]").contains {
                $0.contains("cannot be told apart")
            })
    }

    /// Keys are seen by nobody, and still a changed one is a change.
    @Test func keysAreSecret() throws {
        let one = try read(Self.whole, ["KEY": Self.key])
        let two = try read(Self.whole, ["KEY": Self.key + "2"])
        let shown = one.effective.first { $0.path == "hubs" }?.value ?? ""
        #expect(shown.contains("path: /chat") && shown.contains("keys: 2") && !shown.contains(Self.key))
        let changes = ConfigurationDifference.changes(from: one.entries(nonce: [1]), to: two.entries(nonce: [1]))
        #expect(changes.map(\.key) == ["hubs"] && changes.map(\.to) == ["(a different secret)"])
        #expect(changes.map(\.effect) == [.now])
        #expect(one.digest == two.digest)
        let same = try read(Self.whole, ["KEY": Self.key])
        #expect(ConfigurationDifference.changes(from: one.entries(nonce: [1]), to: same.entries(nonce: [1])) == [])
    }
}
