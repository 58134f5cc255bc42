/// A key whose value differs between two configurations, and when a reload would apply the second one.
package struct ConfigurationChange: Codable, Equatable, Sendable {
    package let key: String
    /// As they may be shown.
    package let from: String
    package let to: String
    package let effect: ReloadEffect
}

/// What differs between two configurations. Pure.
package enum ConfigurationDifference {
    /// - Parameters:
    ///   - old: What is in force.
    ///   - new: What was read; with the same nonce. It may come from a program of another version.
    /// - Returns: In the order of `old`; keys that only the other version knows come last. What it does not know is left out.
    package static func changes(from old: [ConfigurationEntry], to new: [ConfigurationEntry]) -> [ConfigurationChange] {
        let before = { (key: String) in old.first { $0.key.utf8.elementsEqual(key.utf8) } }
        let after = { (key: String) in new.first { $0.key.utf8.elementsEqual(key.utf8) } }
        var found: [ConfigurationChange] = []
        for entry in old {
            guard let other = after(entry.key), !other.match.utf8.elementsEqual(entry.match.utf8) else { continue }
            let declared =
                ConfigurationKey.byPath[entry.key]?.reload
                ?? ConfigurationKey.lists.first { $0.path == entry.key }?.reload ?? .restart
            let effect = ReloadEffect.of(
                entry.key, declared: declared, old: { before($0)?.match }, new: { after($0)?.match })
            // Two secrets look the same.
            let isSame = other.shown.utf8.elementsEqual(entry.shown.utf8)
            found.append(
                ConfigurationChange(
                    key: entry.key, from: entry.shown, to: isSame ? "(a different secret)" : other.shown, effect: effect
                ))
        }
        for entry in new where before(entry.key) == nil {
            found.append(
                ConfigurationChange(
                    key: entry.key, from: "(unknown to this version)", to: entry.shown, effect: .restart))
        }
        return found
    }
}

extension Configuration {
    /// What a reload puts in force: another configuration, but for keys that keep their values.
    ///
    /// - Parameter kept: Paths of keys and lists.
    package func reloaded(to next: Configuration, keeping kept: [String]) -> Configuration {
        guard !kept.isEmpty else { return next }
        var merged = Configuration()
        for key in ConfigurationKey.all {
            let source = kept.contains(key.path) ? self : next
            // It was taken when it was read, so it is taken again.
            guard let text = source.given[key.path], (try? key.set(&merged, text)) != nil else { continue }
            merged.given[key.path] = text
            merged.places[key.path] = source.places[key.path]
        }
        for list in ConfigurationKey.lists {
            let source = kept.contains(list.path) ? self : next
            merged.takeList(list.path, from: source)
            merged.given[list.path] = source.given[list.path]
            merged.places[list.path] = source.places[list.path]
        }
        merged.resolveRedisURL()
        merged.warnings = next.warnings
        return merged
    }
}
