package import Codec

/// The questions this node has put to the cluster and that are not answered yet. Pure: it is told what happened and
/// says which questions are complete.
package struct QuestionTable {
    /// What came back.
    package struct Answers: Sendable {
        /// How many nodes were asked.
        package var asked: Int
        package var bodies: [(node: NodeID, body: [UInt8])]
        /// Nodes whose answers are missing, and that have not left meanwhile.
        package var missing: Set<NodeID>

        package init(asked: Int, bodies: [(node: NodeID, body: [UInt8])], missing: Set<NodeID> = []) {
            self.asked = asked
            self.bodies = bodies
            self.missing = missing
        }

        package var answered: Int { bodies.count }
    }

    private struct Open {
        /// Asked, and not answered yet.
        var missing: Set<NodeID>
        var answers: Answers
        /// Of the answers.
        var bytes = 0
    }

    private var open: [UInt64: Open] = [:]
    /// Of all answers that are kept.
    private var bytes = 0
    /// Answers that did not count: nobody asked for them, they came late or twice, or there was no room for them.
    package private(set) var ignored: UInt64 = 0

    /// Questions beyond this number are answered at once with nothing, so that a flood of requests on the admin port
    /// costs bounded memory.
    package static let maximumOpen = 1024
    /// Bytes of all answers that are kept at a time: more come from no page of 1000 connections on 100 nodes.
    package static let maximumBytes = 64 * 1024 * 1024

    package init() {}

    package var count: Int { open.count }

    /// A question is put to these nodes.
    ///
    /// - Parameter random: Where the question's number comes from. It has to be unguessable: an answer that names it
    ///   is believed.
    /// - Returns: Its number, or nil when too many are open.
    package mutating func asked(_ nodes: Set<NodeID>, using random: inout some RandomNumberGenerator) -> UInt64? {
        guard open.count < Self.maximumOpen else { return nil }
        var id: UInt64
        repeat { id = random.next() } while open[id] != nil
        open[id] = Open(missing: nodes, answers: Answers(asked: nodes.count, bodies: []))
        return id
    }

    /// An answer has come. It counts once for each node that was asked.
    ///
    /// - Returns: All answers, when this was the last one.
    package mutating func answered(_ id: UInt64, from node: NodeID, _ body: [UInt8]) -> Answers? {
        // Taken out while it is changed, so that nothing is copied.
        guard var question = open.removeValue(forKey: id) else {
            ignored &+= 1
            return nil
        }
        guard question.missing.remove(node) != nil else {
            ignored &+= 1
            open[id] = question
            return nil
        }
        if body.count <= Self.maximumBytes - bytes {
            question.answers.bodies.append((node, body))
            question.bytes += body.count
            bytes += body.count
        } else {
            ignored &+= 1
            question.answers.missing.insert(node)
        }
        guard question.missing.isEmpty else {
            open[id] = question
            return nil
        }
        bytes -= question.bytes
        return question.answers
    }

    /// Time is up.
    ///
    /// - Returns: What came until now, or nil when the question was complete before.
    package mutating func expired(_ id: UInt64) -> Answers? {
        guard var question = open.removeValue(forKey: id) else { return nil }
        bytes -= question.bytes
        question.answers.missing.formUnion(question.missing)
        return question.answers
    }

    /// A node has left: nobody waits for it any more.
    ///
    /// - Returns: The questions that are complete by that.
    package mutating func left(_ node: NodeID) -> [(id: UInt64, answers: Answers)] {
        var complete: [(UInt64, Answers)] = []
        for id in Array(open.keys) {
            guard var question = open.removeValue(forKey: id) else { continue }
            let wasMissing = question.missing.remove(node) != nil
            guard wasMissing, question.missing.isEmpty else {
                open[id] = question
                continue
            }
            bytes -= question.bytes
            complete.append((id, question.answers))
        }
        return complete
    }
}
