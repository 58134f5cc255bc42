import Codec
import Testing

@testable import Node

private func changes(_ old: String, _ new: String) throws -> [ConfigurationChange] {
    let nonce = Array("nonce".utf8)
    return ConfigurationDifference.changes(
        from: try read(old).entries(nonce: nonce), to: try read(new).entries(nonce: nonce))
}

@Suite struct ConfigurationDifferenceTests {
    /// What means the same is no change, however it is written.
    @Test(arguments: [
        ("limits: { message_bytes: 64KiB }", "limits: { message_bytes: 65536 }"),
        ("", "limits: { message_bytes: 65536 }"),
        ("", "log: { level: info }"), ("drain: { wait: 1s }", "drain: { wait: 1000ms }"),
        ("auth: { require_expiry: yes }", ""),
        ("client: { listen: [127.0.0.1:1, 127.0.0.1:2] }", "client.listen: '127.0.0.1:1,127.0.0.1:2'"),
        ("channels: [{ match: a }]", "channels: [{ match: a, publish: server }]"),
    ])
    func spellingIsNoChange(old: String, new: String) throws {
        #expect(try changes(old, new) == [])
        #expect(try changes(new, old) == [])
    }

    @Test func aChangeSaysWhatItWasAndWhenItIsApplied() throws {
        #expect(
            try changes(
                "limits: { publish_rate: 5 }",
                "limits: { publish_rate: 7 }\nnode: { name: b }\nclient: { origins: [\"*\"] }") == [
                    ConfigurationChange(key: "node.name", from: "the host's name", to: "b", effect: .restart),
                    ConfigurationChange(key: "limits.publish_rate", from: "5", to: "7", effect: .now),
                    ConfigurationChange(key: "client.origins", from: "the same host", to: "*", effect: .newSessions),
                ])
        let rules = try changes("channels: [{ match: a }]", "channels: [{ match: a, subscribe: nobody }]")
        #expect(
            rules.map(\.key) == ["channels"] && rules[0].effect == .now && rules[0].to.contains("subscribe: nobody"))
    }

    /// Every part of a rule counts.
    @Test(arguments: [
        "publish: client", "slow: latest", "history: { size: 1, ttl: 1h }", "presence: true",
        "presence: { join_leave: users }", "presence: { grace: 1s }", "occupancy: true", "delta: fossil",
        "filters: true",
    ])
    func everyPartOfARuleIsAChange(part: String) throws {
        #expect(try changes("channels: [{ match: a }]", "channels: [{ match: a, \(part) }]").map(\.key) == ["channels"])
    }

    // MARK: Exceptions

    /// What is only counted while there is a limit needs a restart to begin or to end.
    @Test(arguments: ["sessions_per_address", "handshakes_per_address", "sessions_per_user"])
    func aCountBeginsOnlyWithTheNode(key: String) throws {
        let keys = "auth: { keys: [{ secret: \"\(String(repeating: "s", count: 40))\" }] }\n"
        let of = { (number: Int) in "\(keys)limits: { \(key): \(number) }" }
        #expect(try changes(of(0), of(5)).map(\.effect) == [.restart])
        #expect(try changes(of(5), of(0)).map(\.effect) == [.restart])
        #expect(try changes(of(5), of(6)).map(\.effect) == [.now])
        #expect(try changes(of(0), keys) == [])
    }

    @Test func sessionsHaveRoomUpToAMillion() throws {
        let of = { (number: Int) in "limits: { sessions: \(number) }" }
        #expect(try changes(of(10), of(1_000_000)).map(\.effect) == [.now])
        #expect(try changes(of(1_000_000), of(10)).map(\.effect) == [.now])
        #expect(try changes(of(10), of(1_000_001)).map(\.effect) == [.restart])
        #expect(try changes(of(3_000_000), of(2_000_000)).map(\.effect) == [.now])
    }

    /// Half of a TLS section would be a listener that nobody configured.
    @Test func tlsIsTurnedOnAndOffByARestart() throws {
        let on = "client: { tls: { certificate: a, key: b, client_certificates: required, authorities: c } }"
        for (old, new) in [("", on), (on, "")] {
            let found = try changes(old, new)
            #expect(found.count == 4 && found.allSatisfy { $0.effect == .restart })
        }
        let other = "client: { tls: { certificate: a2, key: b, client_certificates: requested, authorities: c } }"
        #expect(try changes(on, other).map(\.effect) == [.newSessions, .newSessions])
    }

    // MARK: Secrets

    static let secrets: [(old: String, new: String, key: String)] = [
        ("admin: { token: secret-one }", "admin: { token: secret-two }", "admin.token"),
        ("admin: { api_key: secret-one }", "admin: { api_key: secret-two }", "admin.api_key"),
        (
            "auth: { keys: [{ secret: \"secret-one-and-more-of-it-to-be-long\" }] }",
            "auth: { keys: [{ secret: \"secret-two-and-more-of-it-to-be-long\" }] }", "auth.keys"
        ),
        (
            "backplane: { kind: redis, redis: { url: \"redis://:secret-one@h\" } }",
            "backplane: { kind: redis, redis: { url: \"redis://:secret-two@h\" } }", "backplane.redis.url"
        ),
        (
            "backplane: { kind: redis, redis: { password: secret-one } }",
            "backplane: { kind: redis, redis: { password: secret-two } }", "backplane.redis.password"
        ),
        (
            "auth: { connect_hook: { url: \"http://h/?k=secret-one\" } }",
            "auth: { connect_hook: { url: \"http://h/?k=secret-two\" } }", "auth.connect_hook.url"
        ),
    ]

    @Test(arguments: secrets)
    func secretsDifferWithoutBeingShown(old: String, new: String, key: String) throws {
        let found = try changes(old, new)
        #expect(found.map(\.key) == [key] && found[0].to == "(a different secret)")
        #expect(!"\(found)".contains("secret-one") && !"\(found)".contains("secret-two"))
        #expect(try changes(old, old) == [])
        let entries = try read(old).entries(nonce: [1])
        #expect(!"\(entries)".contains("secret-one"))
        // With another nonce it is another digest: nothing can be looked up in a table made before.
        let others = try read(old).entries(nonce: [2])
        #expect(entries.first { $0.key == key }?.match != others.first { $0.key == key }?.match)
    }

    /// Anything about a key of tokens counts, and no two lists look the same.
    @Test func everyPartOfATokenKeyIsAChange() throws {
        let base = "auth: { keys: [{ jwks_url: \"https://a/b\" }] }"
        for part in ["refresh: 20s", "allow_http: true", "algorithm: RS256"] {
            #expect(
                try changes(base, "auth: { keys: [{ jwks_url: \"https://a/b\", \(part) }] }").map(\.key) == [
                    "auth.keys"
                ])
        }
        let long = String(repeating: "x", count: 40)
        #expect(
            try changes("auth: { keys: [{ secret: \(long), id: a }] }", "auth: { keys: [{ secret: \(long), id: b }] }")
                .count == 1)
    }

    // MARK: Other versions

    @Test func aKeyOfAnotherVersionNeedsARestart() throws {
        let known = try read("").entries(nonce: [])
        let unknown = ConfigurationEntry(key: "limits.moons", shown: "3", match: "3")
        #expect(
            ConfigurationDifference.changes(from: known, to: known + [unknown]) == [
                ConfigurationChange(key: "limits.moons", from: "(unknown to this version)", to: "3", effect: .restart)
            ])
        #expect(ConfigurationDifference.changes(from: known, to: Array(known.dropFirst())) == [])
    }

    // MARK: What is put in force

    @Test func keysThatNeedARestartKeepTheirValues() throws {
        let old = try read(
            "node: { reactors: 2 }\nbackplane: { kind: redis, redis: { url: \"redis://:p@one:1/3\", sentinels: [\"s:1\"] } }\nlimits: { publish_rate: 5 }"
        )
        let new = try read(
            "node: { reactors: 4 }\nbackplane: { kind: redis, redis: { url: \"redis://:q@two:2/4\" } }\nlimits: { publish_rate: 6 }\nchannels: [{ match: a }]"
        )
        let found = ConfigurationDifference.changes(from: old.entries(nonce: []), to: new.entries(nonce: []))
        let merged = old.reloaded(to: new, keeping: found.filter { $0.effect == .restart }.map(\.key))
        #expect(merged.reactors == 2 && merged.redis == old.redis && merged.redisSentinel == old.redisSentinel)
        #expect(merged.publishRate == 6 && merged.channels == new.channels)
        #expect(merged.effective.first { $0.path == "limits.publish_rate" }?.value == "6")
        // Each value is said where it comes from.
        #expect(merged.places["node.reactors"] == old.places["node.reactors"])
        #expect(merged.places["channels"]?.line == 4 && merged.places["backplane.redis.sentinels"]?.line == 2)
        // Read once more, only what waits differs.
        let left = ConfigurationDifference.changes(from: merged.entries(nonce: []), to: new.entries(nonce: []))
        #expect(left.map(\.key) == ["node.reactors", "backplane.redis.url", "backplane.redis.sentinels"])
    }

    /// A key that goes back to its default does so although others wait.
    @Test func defaultsComeBack() throws {
        let old = try read("node: { name: a }\nlimits: { publish_rate: 5 }\nclient: { origins: [\"*\"] }")
        let merged = old.reloaded(to: try read("node: { name: b }"), keeping: ["node.name"])
        #expect(
            merged.nodeName == "a" && merged.publishRate == Configuration().publishRate && merged.origins == .sameHost)
        #expect(merged.given["limits.publish_rate"] == nil)
    }

    /// A token that goes with an address which stays would leave the API open.
    @Test func halfOfAChangeMayBeWrong() throws {
        let old = try read("admin: { listen: 0.0.0.0:1, token: token-one }")
        let merged = old.reloaded(to: try read("admin: { listen: 127.0.0.1:1 }"), keeping: ["admin.listen"])
        #expect(merged.contradictions.count == 1 && merged.contradictions[0].contains("admin.token is not set"))
    }
}
