import Authentication
import Backplane
import Codec
import Reactor
import Testing

@testable import Node

/// Files whose values are valid one by one.
@Suite struct ConfigurationFindingsTests {
    static let wrong: [(text: String, said: String)] = [
        (
            "backplane: { redis: { prefix: live } }",
            "c.yaml:1:23: backplane.redis has settings and backplane.kind is not"
        ),
        (
            "channels:\n- match: \"*\"\n- match: \"a*\"\n- match: b\n",
            "c.yaml:3:3: the rule for 'a*' is never used: every channel it matches is matched by the rule for '*'"
        ),
        ("channels: [{ match: \"a*\" }, { match: \"ab\" }]", "the rule for 'ab' is never used"),
        ("channels: [{ match: a }, { match: a }]", "the rule for 'a' is never used"),
        ("channels: [{ match: \"chat: *\" }]", "no channel can have such a name"),
        ("channels: [{ match: a, subscribe: granted }]", "subscribe: granted, and nothing could grant it"),
        ("channels: [{ match: a, publish: granted }]", "publish: granted, and nothing could grant it"),
        ("channels: [{ match: a, subscribe: user }]", "nothing could say who a client is"),
        (
            "client: { listen: 1.2.3.4:1 }\nclient.listen: 1.2.3.4:2\n",
            "c.yaml:2:1: 'client.listen' is set twice, first in line 1"
        ),
        ("client: { tls: { certificate: a, key: b } }\nclient.tls: { key: c }\n", "'client.tls.key' is set twice"),
        ("auth.keys: []\nauth: { keys: [] }\n", "'auth.keys' is set twice"),
        (
            "backplane: { kind: redis, redis: { url: \"redis://%zz:p@h\" } }",
            "the user in the URL is not percent-encoded"
        ),
        (
            "backplane: { kind: redis, redis: { url: \"redis://%ff:p@h\" } }",
            "the user in the URL is not percent-encoded"
        ),
        ("backplane: { kind: redis, redis: { url: \"redis://u:@h\" } }", "the password in the URL is empty"),
        ("backplane: { kind: redis, redis: { url: \"redis://u:%+1@h\" } }", "the password in the URL is not percent"),
        ("backplane: { kind: redis, redis: { user: ann } }", "backplane.redis.user has no password"),
        (
            "backplane: { kind: redis, redis: { url: \"redis://:one@h\", password: other } }",
            "backplane.redis.url and backplane.redis.password differ"
        ),
        ("backplane: { kind: redis, redis: { master: m } }", "backplane.redis.master has no effect without"),
        ("backplane: { kind: redis, redis: { password: \"${EMPTY}\" } }", "is empty: the environment variable"),
        ("auth: { audiences: [a] }", "auth.audiences has no effect without auth.keys"),
        ("auth: { connect_hook: { forward: [origin] } }", "auth.connect_hook.forward has no effect without"),
        ("auth: { connect_hook: { timeout: 1s } }", "auth.connect_hook.timeout has no effect without"),
        ("auth: { cookie: t }\nclient: { origins: [\"https://a.example\"] }", "auth.cookie has no effect"),
        ("auth: { keys: [{ file: a.pem, refresh: 10m }] }", "'refresh' has no effect without jwks_url"),
        ("auth: { keys: [{ jwks_file: a.json, id: x }] }", "'id' has no effect with jwks_file"),
        ("client: { listen: 0.0.0.0:80 }\nadmin: { listen: 127.0.0.1:80 }", "are the same port"),
        ("client: { listen: [1.2.3.4:1, 1.2.3.4:1] }", "is listed twice"),
        ("client: { listen: [\"0.0.0.0:80\", \"1.2.3.4:80\"] }", "are the same port"),
        (
            "limits: { message_bytes: 2MiB, incomplete_bytes_node: 1MiB }",
            "has to be at most limits.incomplete_bytes_node"
        ),
        ("client: { proxy_protocol: { mode: required, trusted: [10.0.0.1, 10.0.0.1/33, nonsense] } }", "10.0.0.1/33"),
    ]

    @Test(arguments: wrong)
    func isRefused(text: String, said: String) {
        let all = errors(text, ["EMPTY": ""])
        #expect(all.contains { $0.contains(said) }, "\(all)")
    }

    static let doubtful: [(text: String, said: String)] = [
        ("backplane: { kind: memory, redis: { prefix: live } }", "c.yaml:1:14: backplane.kind is memory, so"),
        ("client: { compression: { enabled: false, level: 9 } }", "client.compression.level has no effect"),
        ("limits: { publish_rate: 0, publish_burst: 5 }", "limits.publish_burst has no effect"),
        ("limits: { sessions_per_user: 2 }", "limits.sessions_per_user has no effect"),
        ("limits: { outbound_bytes: 1GiB }", "so it is never reached"),
        ("client: { proxy_protocol: { timeout: 1s } }", "client.proxy_protocol.timeout has no effect"),
        (
            "client: { proxy_protocol: { mode: required, trusted: [0.0.0.0/0] } }",
            "any client can claim any address"
        ),
        ("client: { tls: { certificate: a, key: b, authorities: c } }", "no client certificate is checked"),
        ("auth: { leeway: 1s }", "auth.leeway has no effect without auth.keys"),
        ("admin: { token: 12345678, api_key: 12345678 }", "admin.api_key is the same as admin.token"),
    ]

    @Test(arguments: doubtful)
    func isWarnedAbout(text: String, said: String) throws {
        let warnings = try read(text).warnings.map(\.description)
        #expect(warnings.contains { $0.contains(said) }, "\(warnings)")
    }

    static let right: [String] = [
        "channels: [{ match: \"a*\" }, { match: \"*b\" }, { match: \"*\" }]",
        "channels: [{ match: \"$user:*\" }, { match: \"*\" }]",
        "auth: { keys: [{ secret: abc }] }\nchannels: [{ match: a, subscribe: granted }]",
        "client: { listen: [\"0.0.0.0:80\", \"[::]:80\"] }",
        "backplane: { kind: redis, redis: { url: \"redis://u:p@h/3\", user: u, password: p, database: 3 } }",
        "client.listen: 1.2.3.4:1",
        "admin: { token: 12345678, api_key: 123456789 }", "admin: { api_key: 12345678 }",
    ]

    @Test(arguments: right)
    func isRight(text: String) throws { #expect(try read(text).warnings == []) }

    @Test func everyMistakeOfAListIsSaid() {
        let all = errors(
            """
            channels:
              - { match: a, publsh: client }
              - { match: b, slow: never, subscribe: all }
              - { match: b }
            auth:
              keys: [{ secret: a, algorithm: XX }, { refresh: 1m }]
              connect_hook: { url: "https://a.example", forward: [connection, "a b"] }
            """)
        for said in [
            "2:17", "3:23", "3:41", "rule for 'b' is never", "'XX'", "exactly one source", "'connection'", "'a b'",
        ] {
            #expect(all.contains { $0.contains(said) }, "\(said) is not in \(all)")
        }
        #expect(
            Set(all.filter { $0.contains("forward") }.map { $0.prefix(12) }).count == 2, "each has its place: \(all)")
    }

    @Test func whatWasMisreadIsNotConcludedFrom() {
        // The kind was misspelled, so that its absence means nothing.
        #expect(errors("backplane: { knd: redis, redis: { prefix: live } }").count == 1)
        #expect(errors("admin: { listen: 0.0.0.0:1, token: x }").count == 1)
    }

    @Test func aURLOfTheEnvironmentLeavesNothingOfTheFiles() throws {
        let file = "backplane: { kind: redis, redis: { url: \"redis://u:p@one:1/7\" } }"
        let replaced = try read(file, ["CARILLON_BACKPLANE_REDIS_URL": "redis://two:2"]).redis
        #expect(replaced.endpoint == .tcp(host: "two", port: 2))
        #expect(replaced.database == 0 && replaced.user == nil && replaced.password == nil)
        // Whatever the order of the keys, what a key says counts.
        let kept = try read("backplane: { kind: redis, redis: { database: 5, url: \"redis://one:1\" } }").redis
        #expect(kept.database == 5)
    }
}

@Suite struct EnvironmentTests {
    @Test func variablesOfOthersDoNotStopANode() throws {
        var others = Dictionary(
            uniqueKeysWithValues: [
                "CONFIG", "ADMIN", "CA", "TOKEN_SECRET", "JWT_SECRET", "JWT_SECRET_OLD", "BIND", "BIND_TLS", "STATS",
                "NODE_1", "NODE_1_TLS", "NODE_2", "COMMIT", "FUZZ", "PORT", "SERVICE_HOST", "SERVICE_PORT_CLIENT",
                "PORT_80_TCP_ADDR", "ADMIN_SERVICE_HOST", "ADMIN_SERVICE_PORT_ADMIN", "ADMIN_PORT_8001_TCP",
            ].map { ("CARILLON_\($0)", "x") })
        #expect(try read(nil, others).warnings == [])
        // As security.md tells people to name it; it may be a mistake, too.
        others["CARILLON_REDIS_PASSWORD"] = "x"
        #expect(
            try read(nil, others).warnings.map(\.message) == [
                "the variable 'CARILLON_REDIS_PASSWORD' sets no key; did you mean 'CARILLON_BACKPLANE_REDIS_PASSWORD'?"
            ])
    }

    @Test(arguments: [
        ("CARILLON_CLIENT_LISTN", "CARILLON_CLIENT_LISTEN"), ("CARILLON_CHANELS", "CARILLON_CHANNELS"),
        ("CARILLON_BACKPLANE_KINDS", "CARILLON_BACKPLANE_KIND"), ("CARILLON_AUTH_KEY", "CARILLON_AUTH_KEYS"),
        ("CARILLON_ADMIN__TOKEN", "CARILLON_ADMIN_TOKEN"), ("CARILLON_LIMIT_SESSIONS", "CARILLON_LIMITS_SESSIONS"),
    ])
    func misspellingsAreFoundAndOnlyTheNearestNamesAreSaid(name: String, meant: String) {
        let all = errors(nil, [name: "x"])
        #expect(all.count == 1 && all[0].contains("did you mean '\(meant)'"), "\(all)")
        #expect(all[0].utf8.count < 200)
    }

    @Test func listsCanBeSet() throws {
        let set = try read(
            """
            client: { listen: 127.0.0.1:1, origins: ["https://old.example"] }
            channels: [{ match: old }]
            auth: { keys: [{ secret: old }], issuers: [old] }
            """,
            [
                "CARILLON_CLIENT_LISTEN": "0.0.0.0:80, [::]:80",
                "CARILLON_CLIENT_ORIGINS": "https://a.example, https://b.example",
                "CARILLON_CLIENT_PROXY_PROTOCOL_MODE": "required",
                "CARILLON_CLIENT_PROXY_PROTOCOL_TRUSTED": "10.0.0.0/8,::1",
                "CARILLON_CHANNELS": "[{match: 'a:*', publish: client}, {match: '*'}]",
                "CARILLON_AUTH_KEYS": "[{secret: new, id: '1'}]", "CARILLON_AUTH_ISSUERS": "new",
                "CARILLON_BACKPLANE_KIND": "redis", "CARILLON_BACKPLANE_REDIS_SENTINELS": "[::1]:1, s2",
            ])
        #expect(set.clientListen == [.ipv4(0, port: 80), .ipv6(0, 0, port: 80, scope: 0)])
        #expect(set.origins == .listed(["https://a.example", "https://b.example"]))
        #expect(set.proxy.trusted.map(\.description) == ["10.0.0.0/8", "::1/128"])
        #expect(set.channels.map(\.match.description) == ["a:*", "*"] && set.channels[0].publish == .client)
        #expect(set.authKeys == [.init(.secret("new"), id: "1")] && set.authIssuers == ["new"])
        #expect(set.redisSentinel.addresses.map(\.description) == ["[::1]:1", "s2:26379"])
    }

    @Test func whatIsWrongWithAListSaysWhichVariable() {
        for (name, text) in [("CHANNELS", "[{match: a"), ("CHANNELS", "match"), ("AUTH_KEYS", "[{sceret: a}]")] {
            let all = errors(nil, ["CARILLON_\(name)": text])
            #expect(!all.isEmpty && all.allSatisfy { $0.contains("environment variable CARILLON_\(name)") }, "\(all)")
        }
        #expect(errors(nil, ["CARILLON_ADMIN_TOKEN": ""]).contains { $0.contains("it is empty") })
    }
}

@Suite struct ChannelPatternCoverTests {
    @Test(arguments: [
        ("*", "a", true), ("a*", "ab*", true), ("a*", "b", false), ("a", "a*", false), ("*a*", "a", true),
        ("a*c", "ab*c", true), ("a*c", "a*d", false), ("**", "*", true), ("*", "**", true), ("a*b", "a*b", true),
    ])
    func covers(pattern: String, other: String, covers: Bool) {
        #expect(ChannelPattern(pattern).covers(ChannelPattern(other)) == covers)
    }
}
