package import Codec

/// The questions this node has put to the cluster and that are not answered yet. Pure: it is told what happened and
/// says which questions are complete.
package struct QuestionTable {
    /// What came back.
    package struct Answers: Sendable {
        /// How many nodes were asked.
        package var asked: Int
        package var bodies: [(node: NodeID, body: [UInt8])]

        package init(asked: Int, bodies: [(node: NodeID, body: [UInt8])]) {
            self.asked = asked
            self.bodies = bodies
        }

        package var answered: Int { bodies.count }
    }

    private struct Open {
        var missing: Set<NodeID>
        var answers: Answers
    }

    private var open: [UInt64: Open] = [:]
    private var nextID: UInt64 = 1
    /// Questions beyond this number are answered at once with nothing, so that a flood of requests on the admin port
    /// costs bounded memory.
    package static let maximumOpen = 1024
    /// Bytes one node may answer with.
    package static let maximumAnswerBytes = 16 * 1024 * 1024

    package init() {}

    package var count: Int { open.count }

    /// A question is put to these nodes.
    ///
    /// - Returns: Its number, or nil when too many are open.
    package mutating func asked(_ nodes: Set<NodeID>) -> UInt64? {
        guard open.count < Self.maximumOpen else { return nil }
        let id = nextID
        nextID += 1
        open[id] = Open(missing: nodes, answers: Answers(asked: nodes.count, bodies: []))
        return id
    }

    /// An answer has come. Late ones, second ones and those nobody asked for are ignored.
    ///
    /// - Returns: All answers, when this was the last one.
    package mutating func answered(_ id: UInt64, from node: NodeID, _ body: [UInt8]) -> Answers? {
        guard open[id]?.missing.remove(node) != nil, body.count <= Self.maximumAnswerBytes else { return nil }
        open[id]!.answers.bodies.append((node, body))
        guard open[id]!.missing.isEmpty else { return nil }
        return open.removeValue(forKey: id)?.answers
    }

    /// Time is up.
    ///
    /// - Returns: What came until now, or nil when the question was complete before.
    package mutating func expired(_ id: UInt64) -> Answers? {
        open.removeValue(forKey: id)?.answers
    }

    /// A node has left: nobody waits for it any more.
    ///
    /// - Returns: The questions that are complete by that.
    package mutating func left(_ node: NodeID) -> [(id: UInt64, answers: Answers)] {
        var complete: [(UInt64, Answers)] = []
        for id in open.keys where open[id]!.missing.remove(node) != nil && open[id]!.missing.isEmpty {
            complete.append((id, open[id]!.answers))
        }
        for (id, _) in complete { open[id] = nil }
        return complete
    }
}
