import Codec
import Testing

@testable import Node

/// The list `webhooks`.
@Suite struct ConfigurationWebhooksTests {
    private static let secret = String(repeating: "s", count: 32)

    private static let whole = """
        channels: [{ match: "*", occupancy: true }]
        webhooks:
          - url: https://app.example.com/events?key=hidden
            secret: "${SECRET}"
            events: [channel_occupied, published]
            channels: ["chat:*"]
            retry_for: 1h
            timeout: 2s
            vacated_grace: 0s
            allow_private: true
          - { url: "http://b/", secret: \(secret) }
        """

    @Test func everyKeyIsRead() throws {
        let configuration = try read(Self.whole, ["SECRET": Self.secret])
        let hooks = configuration.webhooks
        #expect(hooks.map(\.url.host) == ["app.example.com", "b"])
        #expect(hooks[0].secrets == [Self.secret] && hooks[0].kinds == [.channelOccupied, .published])
        #expect(hooks[0].channels == [ChannelPattern("chat:*")] && hooks[0].retryFor == .seconds(3600))
        #expect(hooks[0].timeout == .seconds(2) && hooks[0].vacatedGrace == .zero && hooks[0].allowsPrivate)
        #expect(hooks[1].kinds == .all && hooks[1].channels.isEmpty && !hooks[1].allowsPrivate)
        #expect(hooks[1].retryFor == .seconds(86_400) && hooks[1].timeout == .seconds(10))
        #expect(configuration.webhookBytes == 16 << 20 && configuration.webhookPendingBytes == 64 << 20)
    }

    @Test func secretsAreNotShown() throws {
        let configuration = try read(Self.whole, ["SECRET": Self.secret])
        let shown = configuration.effective.first { $0.path == "webhooks" }?.value ?? ""
        #expect(shown.contains("https://app.example.com/events,") && !shown.contains("hidden"))
        #expect(!shown.contains(Self.secret))
        let other = try read(Self.whole, ["SECRET": Self.secret + "!"])
        let nonce: [UInt8] = [1]
        let changes = ConfigurationDifference.changes(
            from: configuration.entries(nonce: nonce), to: other.entries(nonce: nonce))
        #expect(changes.map(\.key) == ["webhooks"] && changes[0].effect == .now)
        #expect(changes[0].to == "(a different secret)")
        #expect(!configuration.common.contains { "\($0)".contains(Self.secret) })
    }

    @Test func theSecretBeforeItMayBeThereToo() throws {
        let other = Self.secret + "!"
        let configuration = try read("webhooks: [{ url: http://a/, secret: [\(other), \(Self.secret)] }]")
        #expect(configuration.webhooks.map(\.secrets) == [[other, Self.secret]])
        let shown = configuration.effective.first { $0.path == "webhooks" }?.value ?? ""
        #expect(!shown.contains(Self.secret))
    }

    @Test func theEnvironmentReplacesTheList() throws {
        let list = "[{ url: 'http://c/', secret: \(Self.secret) }]"
        let configuration = try read(Self.whole, ["SECRET": Self.secret, "CARILLON_WEBHOOKS": list])
        #expect(configuration.webhooks.map(\.url.text) == ["http://c/"])
        #expect(Configuration().reloaded(to: configuration, keeping: ["webhooks"]).webhooks == [])
    }

    @Test(arguments: [
        ("{ url: http://a/, secret: short }", "at least 32 bytes, this one has 5"),
        ("{ url: http://a/, secret: [\(secret), short] }", "at least 32 bytes, this one has 5"),
        ("{ url: http://a/, secret: [\(secret), \(secret)] }", "a secret is listed twice"),
        ("{ url: http://a/, secret: [] }", "one or two are possible"),
        ("{ url: http://a/, secret: [\(secret), \(secret)1, \(secret)2] }", "one or two are possible"),
        ("{ url: http://a/ }", "has no secret"), ("{ secret: \(secret) }", "has no url"),
        ("{ url: http://u@a/, secret: \(secret) }", "'url': this is not possible here"),
        ("{ url: http://a/, secret: \(secret), events: [] }", "'events' is empty"),
        ("{ url: http://a/, secret: \(secret), events: [join] }", "unknown event 'join'"),
        ("{ url: http://a/, secret: \(secret), channels: [] }", "'channels' is empty"),
        ("{ url: http://a/, secret: \(secret), channels: ['a b'] }", "no channel matches 'a b'"),
        ("{ url: http://a/, secret: \(secret), retry_for: 8d }", "'retry_for'"),
        ("{ url: http://a/, secret: \(secret), timeout: 0s }", "'timeout'"),
        ("{ url: http://a/, secret: \(secret), retry: 1h }", "unknown key 'retry'"),
        ("http://a/", "a webhook has to be a mapping"),
        ("{ url: http://a/, secret: \(secret) }, { url: http://a/, secret: \(secret) }", "two webhooks have this URL"),
    ])
    func mistakes(_ entry: String, _ what: String) {
        let found = errors("webhooks: [\(entry)]")
        #expect(found.count == 1 && found[0].contains(what), "\(found)")
    }

    @Test func manyWebhooks() {
        let entries = (0...Webhook.maximum).map { "{ url: http://a/\($0), secret: \(Self.secret) }" }
        #expect(errors("webhooks: [\(entries.joined(separator: ", "))]").first?.contains("at most 16") ?? false)
    }

    @Test func whatCannotHappenIsWarnedOf() throws {
        let hook = "webhooks: [{ url: http://a/, secret: \(Self.secret), events: [channel_vacated, member_left] }]"
        let warnings = try read(hook).warnings.map(\.description)
        #expect(
            warnings.contains { $0.contains("occupancy: true") } && warnings.contains { $0.contains("presence: true") })
        #expect(try read("webhooks: [{ url: http://a/, secret: \(Self.secret) }]").warnings.isEmpty)
    }
}
