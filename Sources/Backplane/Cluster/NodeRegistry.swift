package import Codec
package import Reactor

/// The nodes that are alive, as far as their beats tell. Pure: it is told what was heard and what time it is.
package struct NodeRegistry {
    /// How long a node counts as alive after its last beat.
    package static let lease: Duration = .seconds(10)
    /// More nodes than this are not remembered: beats come from Redis, so from anybody.
    package static let maximumNodes = 10_000

    /// Bytes of all summaries together. Beyond them nodes are remembered without theirs.
    package static let maximumSummaryBytes = 16 * 1024 * 1024

    package let own: NodeID
    private var records: [NodeID: NodeRecord] = [:]
    private var summaryBytes = 0

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
        let known = remove(beat.node)
        guard known != nil || records.count < Self.maximumNodes else { return false }
        insert(
            NodeRecord(
                id: beat.node, name: beat.name, summary: beat.summary, lastSeen: now, isSelf: beat.node == own))
        return known == nil
    }

    private mutating func insert(_ record: NodeRecord) {
        var record = record
        if !record.isSelf, record.summary.count > Self.maximumSummaryBytes - summaryBytes { record.summary = [] }
        summaryBytes += record.summary.count
        records[record.id] = record
    }

    private mutating func remove(_ id: NodeID) -> NodeRecord? {
        guard let record = records.removeValue(forKey: id) else { return nil }
        summaryBytes -= record.summary.count
        return record
    }

    package func contains(_ node: NodeID) -> Bool { records[node] != nil }

    /// What this node says of itself, known without hearing it.
    package mutating func update(summary: [UInt8], now: MonotonicTime) {
        guard var record = remove(own) else { return }
        record.summary = summary
        record.lastSeen = now
        insert(record)
    }

    /// A node said farewell.
    ///
    /// - Returns: Its record, if it was known.
    package mutating func left(_ node: NodeID) -> NodeRecord? {
        node == own ? nil : remove(node)
    }

    /// Takes out those whose lease is over.
    package mutating func expire(now: MonotonicTime) -> [NodeRecord] {
        let gone = records.values.filter { !$0.isSelf && now - $0.lastSeen > Self.lease }
        for record in gone { _ = remove(record.id) }
        return gone
    }

    /// This node could not hear anybody for a while, so nobody's silence counts.
    package mutating func excuse(now: MonotonicTime) {
        records = records.mapValues { record in
            var record = record
            record.lastSeen = now
            return record
        }
    }
}
