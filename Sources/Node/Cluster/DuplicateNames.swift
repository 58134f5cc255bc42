package import Backplane
package import Codec
package import Reactor

/// Notices other nodes that have this node's name. Pure: it is told which nodes there are and what time it is.
///
/// A node that was replaced may be heard for a moment beside its successor of the same name, so only one that goes on being
/// heard counts.
package struct DuplicateNames {
    /// How long one has to be heard.
    package static let patience: Duration = .seconds(3)

    private var firstSeen: [NodeID: MonotonicTime] = [:]
    private var told: Set<NodeID> = []

    package init() {}

    /// - Returns: Those to be told of now; each is told once, until it is gone.
    package mutating func saw(_ nodes: [NodeRecord], own: NodeID, name: String, now: MonotonicTime) -> [NodeID] {
        let alike = nodes.filter { $0.id != own && $0.name.utf8.elementsEqual(name.utf8) }
        let present = Set(alike.map(\.id))
        firstSeen = firstSeen.filter { present.contains($0.key) }
        told.formIntersection(present)
        var found: [NodeID] = []
        for record in alike {
            let since = firstSeen[record.id] ?? now
            firstSeen[record.id] = since
            if record.lastSeen - since >= Self.patience, told.insert(record.id).inserted { found.append(record.id) }
        }
        return found
    }
}
