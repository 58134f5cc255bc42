import Codec
import Foundation
import Reactor
import Testing

@testable import Node

private func at(_ milliseconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

@Suite struct QuestionGateTests {
    private func answered(
        _ gate: inout QuestionGate, _ count: Int, by node: UInt64 = 1, isStranger: Bool = false,
        cost: QuestionGate.Cost = .lookup, at milliseconds: UInt64 = 0
    ) -> Int {
        (0..<count).count { _ in
            gate.asked(by: NodeID(node), isStranger: isStranger, cost: cost, now: at(milliseconds)) == .answer
        }
    }

    @Test func strangersAreAnsweredFewQuestionsTogether() {
        var gate = QuestionGate()
        var total = 0
        for node in 0..<100 as Range<UInt64> { total += answered(&gate, 10, by: node, isStranger: true) }
        #expect(total == QuestionGate.ofStrangers && gate.refused == UInt64(1000 - total))
        check(answered(&gate, 1) == 1, "a known node is not held back by them")
        check(answered(&gate, 100, isStranger: true, at: 1000) == QuestionGate.ofStrangers, "and again a second later")
    }

    @Test func aNodeCannotTakeTheShareOfAnother() {
        var gate = QuestionGate()
        check(answered(&gate, 3000, by: 1) == QuestionGate.perNode)
        check(answered(&gate, 10, by: 2) == 10)
        // All of them together, so that inventing nodes does not help.
        var total = 0
        for node in 3..<20 as Range<UInt64> { total += answered(&gate, 3000, by: node) }
        check(total == QuestionGate.perSecond - QuestionGate.perNode - 10)
    }

    @Test func walksTakeTurns() {
        var gate = QuestionGate()
        check(answered(&gate, 1, cost: .walk) == 1)
        for _ in 0..<QuestionGate.maximumWaiting {
            check(gate.asked(by: NodeID(1), isStranger: false, cost: .walk, now: at(0)) == .wait)
        }
        check(gate.asked(by: NodeID(1), isStranger: false, cost: .walk, now: at(0)) == .refuse)
        check(answered(&gate, 1) == 1, "a look-up does not wait")
        for _ in 0..<QuestionGate.maximumWaiting { check(gate.finished() == .next) }
        check(gate.finished() == .rest)
        check(answered(&gate, 1, cost: .walk) == 1)
    }

    @Test(arguments: [
        (#"{"channel":{"name":"a"}}"#, QuestionGate.Cost.lookup), (#"{"close":{"connection":"a"}}"#, .lookup),
        (#"{"drain":{}}"#, .lookup), (#"{"channels":{"prefix":""}}"#, .walk), (#"{"connections":{}}"#, .walk),
        (#"{"close_user":{}}"#, .walk), (#"{"clos\u0065":{}}"#, .walk), ("", .walk), ("{", .walk), ("[]", .walk),
        (#"{"new":{}}"#, .walk),
    ])
    func knowsWhatCostsLittle(_ body: String, _ cost: QuestionGate.Cost) {
        #expect(ClusterQuestion.cost(of: Array(body.utf8)) == cost)
    }

    /// As this version writes them.
    @Test func knowsItsOwnQuestions() throws {
        for (question, cost) in [
            (ClusterQuestion.channel(name: "a"), QuestionGate.Cost.lookup), (.drain, .lookup),
            (.close(connection: "a", code: 4000, reason: ""), .lookup),
            (.closeUser("a", code: 4000, reason: ""), .walk), (.channels(prefix: "", after: nil, limit: 1), .walk),
            (.busiest(prefix: "", by: .rate, limit: 1), .walk), (.counts(names: ["a"]), .lookup),
            (.series(samples: 1), .lookup), (.recent(limit: 1), .lookup), (.limits, .lookup),
            (.connection(id: "a", after: nil, limit: 1), .lookup), (.trace(connection: "a", seconds: 1), .lookup),
            (.traceNext(id: "a"), .lookup), (.traceEnd(id: "a"), .lookup),
        ] {
            let body = Array(try JSON.encoder.encode(question))
            #expect(ClusterQuestion.cost(of: body) == cost)
            #expect(JSON.decode(ClusterQuestion.self, from: body) == question)
        }
    }
}
