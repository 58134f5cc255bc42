package import Codec
package import Reactor

/// The nodes that are alive, as far as their beats tell. Pure: it is told what was heard and what time it is.
package struct NodeRegistry {
    /// How long a node counts as alive after its last beat.
    package static let lease: Duration = .seconds(10)
    /// More nodes than this are not remembered: beats come from Redis, so from anybody.
    package static let maximumNodes = 10_000

    package let own: NodeID
    private var records: [NodeID: NodeRecord] = [:]

    package init(own: NodeID, name: String, now: MonotonicTime) {
        self.own = own
        records[own] = NodeRecord(id: own, name: name, summary: [], lastSeen: now, isSelf: true)
    }

    /// All nodes, in the order of their names.
    package var nodes: [NodeRecord] {
        records.values.sorted { ($0.name, $0.id.value) < ($1.name, $1.id.value) }
    }

    package var ids: Set<NodeID> { Set(records.keys) }

    /// A beat was heard.
    ///
    /// - Returns: Whether the node is new.
    @discardableResult
    package mutating func heard(_ beat: Beat, now: MonotonicTime) -> Bool {
        if records[beat.node] != nil {
            records[beat.node]!.lastSeen = now
            records[beat.node]!.name = beat.name
            records[beat.node]!.summary = beat.summary
            return false
        }
        guard records.count < Self.maximumNodes else { return false }
        records[beat.node] = NodeRecord(
            id: beat.node, name: beat.name, summary: beat.summary, lastSeen: now, isSelf: false)
        return true
    }

    /// What this node says of itself, known without hearing it.
    package mutating func update(summary: [UInt8], now: MonotonicTime) {
        records[own]!.summary = summary
        records[own]!.lastSeen = now
    }

    /// A node said farewell.
    ///
    /// - Returns: Its record, if it was known.
    package mutating func left(_ node: NodeID) -> NodeRecord? {
        node == own ? nil : records.removeValue(forKey: node)
    }

    /// Takes out those whose lease is over.
    package mutating func expire(now: MonotonicTime) -> [NodeRecord] {
        let gone = records.values.filter { !$0.isSelf && now - $0.lastSeen > Self.lease }
        for record in gone { records[record.id] = nil }
        return gone
    }

    /// This node could not hear anybody for a while, so nobody's silence counts.
    package mutating func excuse(now: MonotonicTime) {
        for id in records.keys { records[id]!.lastSeen = now }
    }
}
