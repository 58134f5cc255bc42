import Backplane
import Testing

@testable import Node

@Suite struct ReloadEffectTests {
    /// Keys that are looked up in the live configuration each time they are needed.
    private static let live = ["admin.", "drain.", "log.", "auth.revocation_lifetime"]

    static let handedOut = ConfigurationKey.all.filter { key in
        key.reload == .now && !live.contains { key.path.hasPrefix($0) }
    }.map(\.path)

    /// Everything that a reload gives to reactors, to the exchange and to the backplane (`RunningNode.use`).
    private static func given(_ configuration: Configuration) -> String {
        """
        \(ShardSettings(configuration, reactors: 1, version: "")) \(ExchangeSettings(configuration))
        \(configuration.admission(openFiles: 1 << 30)) \(configuration.presenceLeaving) \(configuration.forwardBytes)
        \(configuration.revocations) \(configuration.webhookPendingBytes)
        \(Upstream.Settings(configuration))
        """
    }

    /// Another value than the default, of whatever type.
    private static func changed(_ key: ConfigurationKey) -> Configuration? {
        for text in ["7", "77", "1234", "70000", "3MiB", "100MiB", "7s", "5m", "false", "https://a.example/"] {
            var next = Configuration()
            if (try? key.set(&next, text)) != nil, next != Configuration() { return next }
        }
        return nil
    }

    /// A key that is declared to apply now reaches somebody who uses it.
    @Test(arguments: handedOut)
    func whatAppliesNowIsHandedOut(path: String) throws {
        let key = try #require(ConfigurationKey.byPath[path])
        let next = try #require(Self.changed(key))
        #expect(Self.given(next) != Self.given(Configuration()))
    }

    @Test func thereAreManyOfThem() {
        #expect(Self.handedOut.count > 40)
        for effect in ReloadEffect.allCases { #expect(ConfigurationKey.all.contains { $0.reload == effect }) }
    }

    /// What joins the nodes stays as it is until a restart.
    @Test func theBackplaneNeedsARestart() {
        for key in ConfigurationKey.all where key.path.hasPrefix("backplane.") { #expect(key.reload == .restart) }
        #expect(ConfigurationKey.lists.first { $0.path == "backplane.redis.sentinels" }?.reload == .restart)
        #expect(ConfigurationKey.lists.first { $0.path == "channels" }?.reload == .now)
    }

    @Test func theTableSaysIt() {
        #expect(ConfigurationText.table.contains("| `limits.publish_rate` | number | 1000 | now |"))
        #expect(ConfigurationText.table.contains("| `client.origins` | list | | new sessions |"))
        #expect(ConfigurationText.table.contains("| `node.name` | text | the host's name | restart |"))
    }
}
