package import Codec

/// Requests with commands that are on their way to sessions of other nodes. Pure: it is told what happened.
package struct CommandForwards {
    package typealias Completion = @Sendable (CommandRequest.Verdict) -> Void

    private struct Open {
        /// Those that have not answered.
        var nodes: Set<NodeID>
        let bytes: Int
        let completion: Completion
    }

    /// Bytes that may be on their way.
    package var maximumBytes: Int
    private var open: [UInt64: Open] = [:]
    private var bytes = 0
    /// Requests that were handed to another node.
    package private(set) var begun: UInt64 = 0
    /// Requests for which there was no room.
    package private(set) var refused: UInt64 = 0
    /// Requests that no node answered in time.
    package private(set) var unanswered: UInt64 = 0

    /// A request counts as so many bytes at the least.
    package static let least = 1024

    package init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

    package var count: Int { open.count }

    /// A request sets out.
    ///
    /// - Parameter nodes: Those that are asked, one at least. Where it is not known which has the session, the first that knows it
    ///   decides.
    /// - Returns: The number of its question, which has to be unguessable; nil when there is no room.
    package mutating func begin(
        _ request: CommandRequest, to nodes: Set<NodeID>, using random: inout some RandomNumberGenerator,
        _ completion: @escaping Completion
    ) -> UInt64? {
        let weight = max(Self.least, request.message.count)
        guard bytes + weight <= maximumBytes else {
            refused &+= 1
            return nil
        }
        var id: UInt64
        repeat { id = random.next() } while open[id] != nil
        open[id] = Open(nodes: nodes, bytes: weight, completion: completion)
        bytes += weight
        begun &+= 1
        return id
    }

    /// Whether an answer is one to a request of ours, from a node that was asked.
    package func awaits(_ id: UInt64, from node: NodeID) -> Bool { open[id]?.nodes.contains(node) ?? false }

    /// - Returns: Who waits, if it is an answer of a node that was asked, and it decides: as every answer does but one that
    ///   knows of no such session, while others are still to come.
    package mutating func answered(
        _ id: UInt64, from node: NodeID, _ verdict: CommandRequest.Verdict
    ) -> Completion? {
        guard open[id]?.nodes.remove(node) != nil else { return nil }
        return verdict == .unknown && open[id]?.nodes.isEmpty == false ? nil : take(id)
    }

    /// Time is up.
    package mutating func expired(_ id: UInt64) -> Completion? {
        guard let completion = take(id) else { return nil }
        unanswered &+= 1
        return completion
    }

    /// A node has left: nobody waits for it any more.
    package mutating func left(_ node: NodeID) -> [Completion] {
        let asked = open.filter { $0.value.nodes.contains(node) }.map(\.key)
        return asked.compactMap { answered($0, from: node, .unknown) }
    }

    private mutating func take(_ id: UInt64) -> Completion? {
        guard let taken = open.removeValue(forKey: id) else { return nil }
        bytes -= taken.bytes
        return taken.completion
    }
}
