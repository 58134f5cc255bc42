import Codec
import Synchronization
import Testing

@testable import Node

@Suite struct CommandForwardsTests {
    final class Verdicts: Sendable {
        private let list = Mutex<[CommandRequest.Verdict]>([])
        func add(_ verdict: CommandRequest.Verdict) { list.withLock { $0.append(verdict) } }
        var all: [CommandRequest.Verdict] { list.withLock { $0 } }
    }

    var random = SystemRandomNumberGenerator()

    static func request(to node: UInt64, bytes: Int = 10) -> CommandRequest {
        CommandRequest(
            key: CommandKey(node: NodeID(node), locator: 0, secret: .init(high: 0, low: 0)), encoding: .standard,
            message: Array(repeating: 0, count: bytes))
    }

    @Test mutating func onlyTheNodeThatWasAskedAnswersAndOnce() throws {
        var forwards = CommandForwards(maximumBytes: 1 << 20)
        let verdicts = Verdicts()
        let id = try #require(forwards.begin(Self.request(to: 1), to: [NodeID(1)], using: &random) { verdicts.add($0) })
        #expect(!forwards.awaits(id, from: NodeID(2)) && !forwards.awaits(id &+ 1, from: NodeID(1)))
        #expect(forwards.answered(id, from: NodeID(2), .taken) == nil)
        #expect(forwards.answered(id &+ 1, from: NodeID(1), .taken) == nil)
        forwards.answered(id, from: NodeID(1), .taken)?(.taken)
        #expect(forwards.answered(id, from: NodeID(1), .taken) == nil && forwards.expired(id) == nil)
        #expect(verdicts.all == [.taken] && forwards.unanswered == 0 && forwards.begun == 1)
    }

    @Test mutating func thereIsRoomForSoManyBytes() throws {
        var forwards = CommandForwards(maximumBytes: 4096)
        var ids: [UInt64] = []
        for _ in 0..<2 {
            ids.append(try #require(forwards.begin(Self.request(to: 1), to: [NodeID(1)], using: &random) { _ in }))
        }
        ids.append(
            try #require(forwards.begin(Self.request(to: 1, bytes: 2048), to: [NodeID(1)], using: &random) { _ in }))
        #expect(
            forwards.begin(Self.request(to: 1), to: [NodeID(1)], using: &random) { _ in } == nil
                && forwards.refused == 1)
        for id in ids { _ = forwards.expired(id) }
        #expect(forwards.unanswered == 3 && forwards.count == 0)
        #expect(forwards.begin(Self.request(to: 1, bytes: 4096), to: [NodeID(1)], using: &random) { _ in } != nil)
    }

    @Test mutating func nobodyWaitsForANodeThatLeft() {
        var forwards = CommandForwards(maximumBytes: 1 << 20)
        for node in [1, 2, 1] as [UInt64] {
            _ = forwards.begin(Self.request(to: node), to: [NodeID(node)], using: &random) { _ in }
        }
        #expect(forwards.left(NodeID(1)).count == 2 && forwards.count == 1 && forwards.unanswered == 0)
    }

    /// Where it is not known which node has the session, the first that knows it decides, or the last that does not.
    @Test mutating func ofSeveralNodesOneDecides() throws {
        var forwards = CommandForwards(maximumBytes: 1 << 20)
        let nodes = Set([1, 2, 3].map { NodeID($0) })
        var id = try #require(forwards.begin(Self.request(to: 0), to: nodes, using: &random) { _ in })
        #expect(forwards.answered(id, from: NodeID(1), .unknown) == nil && !forwards.awaits(id, from: NodeID(1)))
        #expect(forwards.answered(id, from: NodeID(1), .taken) == nil, "it has answered already")
        #expect(forwards.answered(id, from: NodeID(3), .taken) != nil && forwards.count == 0)
        id = try #require(forwards.begin(Self.request(to: 0), to: nodes, using: &random) { _ in })
        #expect(forwards.answered(id, from: NodeID(1), .unknown) == nil && forwards.left(NodeID(2)).isEmpty)
        #expect(forwards.answered(id, from: NodeID(3), .unknown) != nil && forwards.count == 0)
        id = try #require(forwards.begin(Self.request(to: 0), to: [NodeID(1)], using: &random) { _ in })
        #expect(forwards.left(NodeID(1)).count == 1 && forwards.count == 0)
    }
}
