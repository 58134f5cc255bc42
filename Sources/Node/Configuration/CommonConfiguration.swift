import Authentication
package import Codec

/// The value of a key that all nodes of a cluster should have alike, as a node tells it to the others.
package struct CommonValue: Codable, Equatable, Sendable {
    package let key: PlainText
    /// As it may be shown, and cut where it is long.
    package let shown: PlainText
    /// Twelve hexadecimal digits of SHA-256: the same where the values are. Of a secret, only that there is one.
    package let digest: PlainText

    package init(key: PlainText, shown: PlainText, digest: PlainText) {
        self.key = key
        self.shown = shown
        self.digest = digest
    }
}

/// What nodes of one cluster have in common. Anybody who can read what nodes tell each other sees it, so nothing in it is made of a
/// secret: a digest could be tried against guesses.
extension Configuration {
    /// Keys that say where a node is and what it has there, and so may differ.
    private static let ofOneNode = [
        "node.", "client.listen", "client.tls.", "admin.listen", "admin.tls.", "backplane.redis.url",
        "backplane.redis.tls.", "log.",
    ]

    private static let digestDigits = 12

    /// Whether a key is for each node to choose: its name, addresses, files and log.
    package static func isOfOneNode(_ key: String) -> Bool { ofOneNode.contains { key.hasPrefix($0) } }

    /// All values but defaults, sorted by their keys. So a key that one version has and another does not makes no difference
    /// while nobody sets it.
    package var common: [CommonValue] {
        let standard = Configuration().comparable
        return comparable.compactMap { entry in
            let isDefault = standard.contains {
                $0.key == entry.key && $0.match.utf8.elementsEqual(entry.match.utf8)
            }
            guard !isDefault else { return nil }
            return CommonValue(
                key: PlainText(entry.key), shown: PlainText(entry.shown),
                digest: PlainText(String(TextDigest.of(entry.match).prefix(Self.digestDigits))))
        }.sorted { $0.key.text.utf8.lexicographicallyPrecedes($1.key.text.utf8) }
    }

    /// Twelve hexadecimal digits that are the same on two nodes if what they have in common is.
    package var digest: String {
        let parts = common.map { "\($0.key)=\($0.digest)\n" }
        return String(TextDigest.of(parts.joined()).prefix(Self.digestDigits))
    }

    /// What is shown of the default of a key, whose absence stands for it; nil for a key of another version.
    package static func defaultShown(of key: String) -> String? {
        Configuration().effective.first { $0.path.utf8.elementsEqual(key.utf8) }?.value
    }

    /// What may be compared openly. `match` is what is shown of secrets.
    private var comparable: [ConfigurationEntry] {
        entries(nonce: []).filter { !Self.isOfOneNode($0.key) }.map { entry in
            if entry.key == "auth.keys" {
                let kinds = authKeys.map(\.kind).joined(separator: ", ")
                return ConfigurationEntry(key: entry.key, shown: kinds, match: kinds)
            }
            let isSecret =
                ConfigurationKey.byPath[entry.key]?.isSecret ?? ["hubs", "channels", "webhooks"].contains(entry.key)
            guard isSecret else { return entry }
            return ConfigurationEntry(key: entry.key, shown: entry.shown, match: entry.shown)
        }
    }
}
