package import Codec

/// A limit that was reached on a node in the last minute.
package struct LimitHits: Codable, Equatable, Sendable {
    /// Of its metric, without `carillon_` and `_total`.
    package var name: PlainText
    /// What the node is called; what nodes tell each other does not have it.
    package var node: PlainText?
    package var hitsLastMinute: Count
    /// The key that sets it.
    package var key: PlainText
    package var metric: PlainText
}

/// Something that an operator should know.
package struct Problem: Codable, Equatable, Sendable {
    package enum Severity: String, Codable, Sendable {
        /// Something does not work as it should.
        case error
        /// Somebody does not get everything.
        case warning
        /// It is meant to be so, or not urgent.
        case info
    }

    package var severity: Severity
    package var text: PlainText
}

package struct ProblemReport: Codable, Sendable {
    package var nodes: NodeCount
    /// Whether there is nothing but what is meant to be so.
    package var ok: Bool
    package var sentence: String
    /// The worst ones first.
    package var problems: [Problem]
    package var limits: [LimitHits]
    /// Connections that do not keep up, those with the most bytes waiting first.
    package var slow: [ConnectionSummary]
}

/// Says what is wrong. Pure.
package enum Diagnosis {
    /// - Parameter limits: With the names of their nodes.
    package static func problems(
        _ cluster: [NodeEntry], answered nodes: NodeCount, limits: [LimitHits], slow: Int
    ) -> [Problem] {
        var found: [Problem] = []
        func add(_ severity: Problem.Severity, _ text: String) {
            found.append(Problem(severity: severity, text: PlainText(text)))
        }
        for node in cluster {
            guard node.isFresh else {
                add(.error, "node \(node.name) was not heard for \(node.lastSeenMs.int / 1000) s")
                continue
            }
            guard let summary = node.summary else { continue }
            if let draining = summary.draining {
                add(
                    .info,
                    "node \(node.name) takes no new clients: it is \(draining == "drained" ? "drained" : "draining")")
            }
            if summary.link.phase == "degraded" {
                let away = (summary.link.away ?? []).map { server in
                    "\(server.name)\(server.reason.map { ": \($0)" } ?? "")"
                }
                let list = away.isEmpty ? "" : " (\(away.joined(separator: "; ")))"
                add(
                    .error,
                    "node \(node.name) is not linked through \(things(max(1, away.count), "Redis server")) of \(summary.link.servers?.int ?? 0), and does not hear the channels there\(list)"
                )
            } else if summary.link.phase != "linked" {
                let reason = summary.link.reason.map { ": \($0)" } ?? ""
                add(.error, "node \(node.name) is not linked to the backplane (\(summary.link.phase)\(reason))")
            }
        }
        for text in Set(cluster.filter(\.isFresh).compactMap { $0.summary?.link.change?.text }).sorted() {
            add(.info, text)
        }
        let stale = cluster.count { !$0.isFresh }
        let silent = nodes.asked - nodes.answered - stale
        if silent > 0 { add(.error, "\(silent) of \(things(nodes.asked, "node")) did not answer") }
        for limit in limits {
            let node = limit.node.map { " on node \($0)" } ?? ""
            add(
                .warning,
                "the limit \(limit.key) was reached \(things(limit.hitsLastMinute, "time")) in the last minute\(node)")
        }
        if slow > 0 {
            add(.info, "\(things(slow, "connection does", "connections do")) not keep up")
        }
        let digests = cluster.filter(\.isFresh).compactMap { node in
            node.summary?.configuration.map { (name: node.name, digest: $0) }
        }
        if let sentence = ConfigurationComparison.sentence(digests) { add(.info, sentence) }
        let versions = Set(cluster.compactMap { $0.summary?.version })
        if versions.count > 1 {
            let list = versions.map(\.text).sorted().joined(separator: ", ")
            add(.info, "the nodes run different versions: \(list)")
        }
        return found.filter { $0.severity == .error } + found.filter { $0.severity == .warning }
            + found.filter { $0.severity == .info }
    }

    package static func sentence(_ problems: [Problem], nodes: Int) -> String {
        guard let first = problems.first else {
            return nodes == 1
                ? "The node is linked, and no limit was reached in the last minute."
                : "All \(nodes) nodes are linked, and no limit was reached in the last minute."
        }
        let text = first.text.text
        let more = problems.count - 1
        return "\(text.prefix(1).uppercased())\(text.dropFirst())\(more == 0 ? "." : ", and \(more) more.")"
    }
}
