package import Codec

/// What differs between the configurations of the nodes that answered.
package struct DifferenceReport: Codable, Equatable, Sendable {
    package var nodes: NodeCount
    /// Sorted by key; empty where nothing differs.
    package var keys: [KeyDifference]
}

/// A key that not all nodes have the same value of.
package struct KeyDifference: Codable, Equatable, Sendable {
    package struct Value: Codable, Equatable, Sendable {
        /// Secrets are left out.
        package var value: String
        /// What the nodes with it are called.
        package var nodes: [String]
    }

    package var key: String
    /// That of the most nodes first.
    package var values: [Value]
}

/// Compares what nodes tell of their configurations. Pure; nothing that they say is believed to be well formed.
package enum ConfigurationComparison {
    /// Values of one node; more is not looked at.
    package static let mostValues = 500

    /// - Parameter answers: The nodes that answered, by their names, in the order in which they are to be named.
    package static func differences(_ answers: [(node: String, values: [CommonValue])]) -> [KeyDifference] {
        let known = answers.map { answer in
            (
                node: answer.node,
                values: Dictionary(answer.values.prefix(mostValues).map { ($0.key, $0) }) { first, _ in first }
            )
        }
        let keys = Set(known.flatMap { $0.values.keys }).sorted { $0.text.utf8.lexicographicallyPrecedes($1.text.utf8) }
        return keys.prefix(mostValues).compactMap { key in
            var groups = Groups()
            for (node, values) in known { groups.add(node, values[key]) }
            guard groups.all.count > 1 else { return nil }
            let texts = groups.all.map { text(of: $0.value, key) }
            let values = zip(groups.all, texts).map { group, text in
                // What differs may be behind what is shown.
                let isAlone = texts.count { $0.utf8.elementsEqual(text.utf8) } == 1
                return KeyDifference.Value(value: isAlone ? text : "\(text) …", nodes: group.nodes)
            }
            return KeyDifference(key: key.text, values: values.sorted { $0.nodes.count > $1.nodes.count })
        }
    }

    /// Nodes by what they say of one key.
    private struct Groups {
        private(set) var all: [(value: CommonValue?, nodes: [String])] = []
        private var places: [PlainText?: Int] = [:]

        mutating func add(_ node: String, _ value: CommonValue?) {
            if let place = places[value?.digest] {
                all[place].nodes.append(node)
            } else {
                places[value?.digest] = all.count
                all.append((value, [node]))
            }
        }
    }

    private static func text(of value: CommonValue?, _ key: PlainText) -> String {
        value?.shown.text ?? Configuration.defaultShown(of: key.text) ?? "(unknown to this version)"
    }

    /// Says which nodes have another configuration, from the digests in their beats; nil while none has.
    ///
    /// - Parameter nodes: Names, and the digests of those that say one.
    package static func sentence(_ nodes: [(name: String, digest: PlainText)]) -> String? {
        let groups = Dictionary(grouping: nodes) { $0.digest }.values.map { $0.map { $0.name } }.sorted { left, right in
            if left.count != right.count { return left.count > right.count }
            return left[0].utf8.lexicographicallyPrecedes(right[0].utf8)
        }
        guard groups.count > 1 else { return nil }
        guard groups[0].count > groups[1].count else {
            return "the nodes have different configurations: "
                + groups.map { $0.joined(separator: ", ") }.joined(separator: " | ")
        }
        let others = groups.dropFirst().flatMap { $0 }
        return (others.count == 1 ? "node \(others[0]) has" : "the nodes \(others.joined(separator: ", ")) have")
            + " another configuration than the other nodes"
    }
}

extension ClusterInspector {
    /// Asks all nodes what they have that should be alike.
    package func configurationDifferences() async -> DifferenceReport {
        let names = await nodeNames
        let (count, answers) = await ask(.configuration)
        let known = answers.compactMap { entry -> (node: String, values: [CommonValue])? in
            guard case .configuration(let values) = entry.answer else { return nil }
            return (names[entry.node] ?? entry.node.description, values)
        }.sorted { $0.node.utf8.lexicographicallyPrecedes($1.node.utf8) }
        return DifferenceReport(
            nodes: NodeCount(asked: count.asked, answered: known.count),
            keys: ConfigurationComparison.differences(known))
    }
}
