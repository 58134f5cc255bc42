import Authentication
import Codec
import Testing

@testable import Node

/// What nodes tell each other of their configurations.
@Suite struct CommonConfigurationTests {
    private let rules = "channels: [{ match: a }]\n"

    private func read(_ text: String) throws -> Configuration {
        try ConfigurationReader.read(text, source: "test", environment: [:])
    }

    @Test func nodesOfOneClusterHaveOneDigest() throws {
        let one = try read(
            rules
                + "node: { name: a, reactors: 1 }\nclient: { listen: 127.0.0.1:1 }\nadmin: { token: secret-one }\nlog: { level: debug }"
        )
        let two = try read(rules + "node: { name: b }\nclient: { listen: 127.0.0.1:2 }\nadmin: { token: secret-two }")
        #expect(one.digest == two.digest && one.digest.utf8.count == 12)
        #expect(try read("channels: [{ match: b }]").digest != one.digest)
        #expect(try read(rules + "limits: { publish_rate: 1 }").digest != one.digest)
    }

    @Test func filesAndAddressesOfAMachineDoNotCount() throws {
        func node(_ place: String) throws -> Configuration {
            try read(
                """
                client: { listen: "unix:/run/\(place)", tls: { certificate: "/\(place)/c", key: "/\(place)/k" } }
                admin: { listen: 127.0.0.\(place.utf8.count):1 }
                backplane: { kind: redis, redis: { url: "rediss://\(place)", tls: { authorities: "/\(place)/a" } } }
                auth: { keys: [{ secret_file: "/\(place)/s", id: k }, { jwks_file: "/\(place)/j" }, { file: "/\(place)/p" }] }
                """)
        }
        let (one, two) = (try node("a"), try node("bb"))
        #expect(one.digest == two.digest && one.common == two.common)
        let told = one.common.map { "\($0.key) \($0.shown)" }.joined()
        #expect(!told.contains("/a/") && told.contains("secret file \"k\", JWKS file, PEM file"))
    }

    /// What is written out as it is by default is the same as what is left out, in whatever way it is written.
    @Test func aDefaultIsNoDifference() throws {
        let plain = try read("")
        #expect(plain.common.isEmpty)
        #expect(
            try read("limits: { message_bytes: 65536 }\nlog: { level: debug }\nauth: { leeway: 30000ms }").digest
                == plain.digest)
        #expect(try read("limits: { message_bytes: 64KiB }").common.isEmpty)
        #expect(try read("limits: { message_bytes: 65537 }").common.map(\.key) == ["limits.message_bytes"])
    }

    /// Whether there is a secret is told, and nothing that could be tried against guesses.
    @Test func nothingIsMadeOfASecret() throws {
        func node(_ secret: String) throws -> Configuration {
            try read(
                """
                admin: { token: \(secret), api_key: \(secret)-key }
                auth:
                  keys: [{ secret: \(secret)-long-enough-to-be-taken-for-one }]
                  connect_hook: { url: "http://127.0.0.1/\(secret)" }
                backplane: { kind: redis, redis: { url: "redis://u:\(secret)@h", sentinel_password: \(secret), sentinels: [h] } }
                """)
        }
        let (one, two) = (try node("secret-one"), try node("secret-two"))
        #expect(one.digest == two.digest && one.common == two.common)
        #expect(!"\(one.common)".contains("secret-one"))
        #expect(one.common.map(\.key.text).contains("admin.token"))
        #expect(try read("").digest != read("admin: { token: secret-one }").digest)
    }
}
