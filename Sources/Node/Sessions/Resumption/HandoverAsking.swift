package import Codec

/// Questions about handovers that this node asks others. Pure: it is told what happened.
package struct HandoverAsking {
    package typealias Completion = @Sendable (NodeID?, HandoverAnswer) -> Void

    private struct Open {
        let session: SessionID.Secret
        /// Those that have not answered.
        var nodes: Set<NodeID>
        let completion: Completion
    }

    private var open: [UInt64: Open] = [:]

    package init() {}

    package var count: Int { open.count }

    /// Questions that may be open: a client that comes back waits for one.
    private static let most = 65_536

    /// - Parameters:
    ///   - session: The one that is asked for.
    ///   - nodes: Those that are asked, one at least.
    /// - Returns: The number of the question, which has to be unguessable; nil when there are too many.
    package mutating func begin(
        about session: SessionID.Secret, to nodes: Set<NodeID>, using random: inout some RandomNumberGenerator,
        _ completion: @escaping Completion
    ) -> UInt64? {
        guard open.count < Self.most else { return nil }
        var id: UInt64
        repeat { id = random.next() } while open[id] != nil
        open[id] = Open(session: session, nodes: nodes, completion: completion)
        return id
    }

    /// Whether an answer is one to a question of ours, from a node that was asked.
    ///
    /// - Returns: The session that was asked for; nil where it is not.
    package func awaits(_ id: UInt64, from node: NodeID) -> SessionID.Secret? {
        guard let open = open[id], open.nodes.contains(node) else { return nil }
        return open.session
    }

    /// - Returns: Who waits, if the answer decides: as every one does but one that knows of no such session, while others are still
    ///   to come.
    package mutating func answered(_ id: UInt64, from node: NodeID, _ answer: HandoverAnswer) -> Completion? {
        guard open[id]?.nodes.remove(node) != nil else { return nil }
        if answer == .refused, open[id]?.nodes.isEmpty == false { return nil }
        return open.removeValue(forKey: id)?.completion
    }

    /// Time is up.
    package mutating func expired(_ id: UInt64) -> Completion? { open.removeValue(forKey: id)?.completion }

    /// A node has left: nobody waits for it any more.
    package mutating func left(_ node: NodeID) -> [Completion] {
        open.filter { $0.value.nodes.contains(node) }.map(\.key).compactMap { answered($0, from: node, .refused) }
    }
}
