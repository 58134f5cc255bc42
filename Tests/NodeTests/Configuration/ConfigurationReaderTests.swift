import Backplane
import Codec
import Reactor
import Testing

@testable import Node

@Suite struct ConfigurationReaderTests {
    @Test func nothingIsAWholeConfiguration() throws {
        #expect(try read(nil) == Configuration())
        #expect(try read("") == Configuration())
        #expect(try read("# only a comment\n") == Configuration())
    }

    @Test func readsTheExampleOfTheDesign() throws {
        let configuration = try read(
            """
            node: { name: edge-1 }
            client:
              listen: 0.0.0.0:9000
              origins: ["https://app.example.com"]
            admin: { listen: 127.0.0.1:9001, token: "${TOKEN}" }
            backplane:
              kind: redis
              redis: { url: "redis://user:p%40ss@redis.internal:6380/3", prefix: live, connect_timeout: 500ms }
            channels:
              - { match: "chat:*", subscribe: anyone, publish: client }
              - { match: "*", publish: server }
            limits: { message_bytes: 1MiB }
            """, ["TOKEN": "long-enough"])
        #expect(configuration.nodeName == "edge-1")
        #expect(configuration.clientListen == [.ipv4(0, port: 9000)])
        #expect(configuration.origins == .listed(["https://app.example.com"]))
        #expect(configuration.adminToken == "long-enough")
        #expect(configuration.backplane == .redis)
        #expect(configuration.redis.endpoint == .tcp(host: "redis.internal", port: 6380))
        #expect(configuration.redis.user == "user" && configuration.redis.password == "p@ss")
        #expect(configuration.redis.database == 3 && configuration.redis.prefix == "live")
        #expect(configuration.redis.connectTimeout == .milliseconds(500))
        #expect(configuration.channels.map(\.match.description) == ["chat:*", "*"])
        #expect(configuration.channels[0].publish == .client && configuration.channels[1].publish == .server)
        #expect(configuration.messageBytes == 1 << 20)
    }

    /// What is written for people is read back as the defaults.
    @Test func theCommentedDefaultsAreTheDefaults() throws {
        var expected = Configuration()
        expected.channels = [ChannelRules.otherwise]
        var found = try read(ConfigurationText.defaults)
        // What was written is remembered as it was written.
        found.given = [:]
        found.places = [:]
        found.redisURL = nil
        #expect(found == expected)
        for key in ConfigurationKey.all { #expect(ConfigurationText.table.contains("`\(key.path)`")) }
    }

    static let wrong: [(text: String, said: String)] = [
        ("cleint: { listen: 1.2.3.4:1 }", "c.yaml:1:1: unknown key 'cleint'; did you mean 'client'?"),
        ("client:\n  lisen: 1.2.3.4:1", "c.yaml:2:3: unknown key 'client.lisen'; did you mean 'client.listen'?"),
        ("client: 5", "c.yaml:1:9: 'client' has to be a mapping of keys to values, not one value"),
        ("- a", "c.yaml:1:1: the file has to be a mapping of keys to values, not a list"),
        ("admin: { listen: [1] }", "'admin.listen' has to be one value (address), not a list"),
        ("client: { listen: [1] }", "'1' has no port"),
        ("client: { listen: [] }", "at least one address is needed"),
        ("client: { listen: 8000 }", "'8000' has no port; right would be 127.0.0.1:8000"),
        ("client: { listen: \"localhost:1\" }", "'localhost' is not an IP address"),
        ("client: { listen: \"1.2.3.4:99999\" }", "'99999' is not a port"),
        ("client: { listen: \"::1:80\" }", "an IPv6 address goes in brackets"),
        ("client: { listen: }", "'client.listen' has no value"),
        ("limits: { message_bytes: big }", "'big' is not a size; right would be 65536, 64KiB or 1MiB"),
        ("limits: { message_bytes: 1GiB }", "1GiB is out of range; right would be 125 to 16777216 bytes"),
        ("limits: { handshake_timeout: 10 }", "'10' is not a duration; right would be 250ms, 10s or 5m"),
        ("limits: { fragments: -1 }", "-1 is out of range"),
        (
            "backplane: { kind: rdis }",
            "'rdis' is not possible here; right would be memory or redis; did you mean 'redis'?"
        ),
        ("backplane: { redis: { url: \"http://x\" } }", "this is not a Redis URL"),
        ("backplane: { redis: { url: \"redis://u@h\" } }", "the URL has a user without a password"),
        ("backplane: { redis: { prefix: \"a*\" } }", "none of them in *?[]{}:"),
        ("channels: { match: a }", "'channels' has to be a list of rules, not a mapping"),
        ("channels: [ { match: a, publsh: client } ]", "unknown key 'publsh'; did you mean 'publish'?"),
        ("channels: [ { publish: client } ]", "the rule has no match"),
        (
            "channels: [ { match: a, publish: all } ]",
            "'all' is not possible here; right would be client or user or granted or server"
        ),
        ("channels: [ { match: a, history: { size: 1 } } ]", "'history' needs size and ttl"),
        (
            "channels: [ { match: a, presence: 5s } ]",
            "'presence': '5s' is not possible here; right would be true or false"
        ),
        ("channels: [ { match: a, presence: { grace: 2m } } ]", "'grace': 2m is out of range"),
        (
            "channels: [ { match: a, presence: { join_leave: session } } ]",
            "'join_leave': 'session' is not one of users (or true), sessions, false"
        ),
        ("channels: [ { match: a, presence: { leave: true } } ]", "unknown key 'leave'"),
        ("channels: [ { match: a, cache: true } ]", "'cache: true' needs history"),
        ("client: { tls: { key: a } }", "client.tls.certificate and client.tls.key belong together"),
        ("client: { origins: [ \"app.example.com\" ] }", "'app.example.com' is not an origin"),
        ("admin: { token: \"${NOT_SET}\" }", "the environment variable NOT_SET is not set"),
        ("admin: { token: \"${OPEN\" }", "'${' is not closed by '}'"),
        ("backplane: { redis: { tls: { verify: ca } } }", "backplane.redis.tls has no effect"),
        ("backplane: { redis: { url: \"rediss://h\", tls: { verify: all } } }", "right would be full or ca or none"),
        (
            "backplane: { redis: { url: \"rediss://h\", tls: { key: a.pem } } }",
            "backplane.redis.tls.certificate and backplane.redis.tls.key belong together"
        ),
        (
            "backplane: { redis: { url: \"rediss://h\", tls: { verify: none, server_name: a } } }",
            "authorities and server_name have no effect"
        ),
        ("admin: { token: short }", "a token has at least 8 visible ASCII characters"),
        ("admin: { listen: 0.0.0.0:8001 }", "admin.token is not set"),
        ("admin: { listen: \"unix:/a\" }", "only IP:PORT is possible here"),
        ("liveness: { ping_interval: 5s, pong_timeout: 5s }", "has to be shorter than"),
        ("node: { name: a, name: b }", "duplicate key"),
        ("node: [", "this is not YAML"),
        ("node: { name: \"\\x01\" }", "no control characters"),
    ]

    @Test(arguments: wrong)
    func says(text: String, said: String) {
        let all = errors(text)
        #expect(all.contains { $0.contains(said) }, "\(all)")
    }

    @Test func saysEverythingAtOnce() {
        let all = errors("nod: {}\nclient: { listen: x }\nlimits: { fragments: many }\n")
        #expect(all.count == 3, "\(all)")
    }

    @Test func neverRepeatsASecret() {
        let all = errors("backplane: { redis: { url: \"rediss://u:hunter2\" } }\nadmin: { token: hunt }")
        #expect(!all.isEmpty && !all.contains { $0.contains("hunt") }, "\(all)")
        let shown = (try? read("admin: { token: hunter2hunter2 }"))?.effective.map { "\($0)" } ?? []
        #expect(!shown.isEmpty && !shown.contains { $0.contains("hunter2") })
    }

    @Test func theEnvironmentOverrides() throws {
        let configuration = try read(
            "client: { listen: 1.2.3.4:1 }",
            ["CARILLON_CLIENT_LISTEN": "127.0.0.1:7000", "CARILLON_LIMITS_FRAGMENTS": "7", "OTHER": "x"])
        #expect(configuration.clientListen == [.ipv4(0x7F00_0001, port: 7000)])
        #expect(configuration.fragments == 7)
    }

    @Test func anUnknownVariableIsAnError() {
        #expect(
            errors(nil, ["CARILLON_CLIENT_LISTN": "x"])
                == ["environment: unknown variable 'CARILLON_CLIENT_LISTN'; did you mean 'CARILLON_CLIENT_LISTEN'?"])
        #expect(errors(nil, ["CARILLON_CONFIG": "x", "CARILLON_ADMIN": "y"]) == [])
        #expect(errors("node: { name: \"${CARILLON_MINE}\" }", ["CARILLON_MINE": "a"]) == [])
        #expect(
            errors(nil, ["CARILLON_LIMITS_FRAGMENTS": "x"]) == [
                "environment variable CARILLON_LIMITS_FRAGMENTS: 'x' is not a whole number"
            ])
    }

    @Test func aliasesDoNotExplode() {
        var text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
        for level in 1..<12 {
            text +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ",") + "]\n"
        }
        #expect(!errors(text).isEmpty)
        #expect(errors(String(repeating: "#", count: ConfigurationReader.maximumFileBytes + 1)).count == 1)
    }
}

@Suite struct ChannelPatternTests {
    static let cases: [(pattern: String, name: String, matches: Bool)] = [
        ("*", "anything", true), ("chat:*", "chat:1", true), ("chat:*", "chat:", true), ("chat:*", "chat", false),
        ("*:log", "a:log", true), ("*:log", "a:logs", false), ("a*b*c", "aXbYc", true), ("a*b*c", "abc", true),
        ("a*b*c", "acb", false), ("exact", "exact", true), ("exact", "exact!", false), ("", "", true), ("", "a", false),
        ("**", "", true), ("a**", "abc", true),
    ]

    @Test(arguments: cases)
    func matches(pattern: String, name: String, matches: Bool) {
        #expect(ChannelPattern(pattern).matches(Array(name.utf8)) == matches)
    }

    @Test func theFirstRuleCounts() throws {
        let rules = ChannelRules([
            ChannelRule(match: ChannelPattern("a*"), publish: .client),
            ChannelRule(match: ChannelPattern("ab*"), subscribe: .nobody),
        ])
        #expect(rules.rule(for: .init(trusted: Array("abc".utf8))).publish == .client)
        #expect(rules.rule(for: .init(trusted: Array("x".utf8))) == ChannelRules.otherwise)
    }
}
