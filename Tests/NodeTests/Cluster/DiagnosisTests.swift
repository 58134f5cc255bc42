import Codec
import Testing

@testable import Node

@Suite struct DiagnosisTests {
    private static func node(
        _ name: String, phase: PlainText = "linked", version: PlainText = "1", draining: PlainText? = nil,
        isFresh: Bool = true, configuration: PlainText? = nil
    ) -> NodeEntry {
        NodeEntry(
            id: name, name: name, isFresh: isFresh, lastSeenMs: isFresh ? 0 : 7000, isSelf: false,
            summary: NodeSummary(
                id: PlainText(name), name: PlainText(name), version: version, startedAt: 0, client: "", admin: "",
                sessions: 0, channels: 0, rates: .init(), cpuPercent: 0.0, memoryBytes: 0, backlogBytes: 0,
                link: .init(
                    kind: "redis", phase: phase, since: 0, reason: phase == "linked" ? nil : "no beat", reconnects: 0,
                    resubscribed: 0, waitingPublishes: 0, badMessages: 0), draining: draining,
                configuration: configuration))
    }

    private static func all(_ count: Int) -> NodeCount { NodeCount(asked: count, answered: count) }

    @Test func whenAllIsWell() {
        let problems = Diagnosis.problems([Self.node("a"), Self.node("b")], answered: Self.all(2), limits: [], slow: 0)
        #expect(problems.isEmpty)
        #expect(
            Diagnosis.sentence(problems, nodes: 2)
                == "All 2 nodes are linked, and no limit was reached in the last minute.")
    }

    @Test func theWorstComesFirst() {
        let limit = LimitHits(
            name: "publish_rate_hits", node: "a", hitsLastMinute: 12, key: "limits.publish_rate", metric: "m")
        let problems = Diagnosis.problems(
            [
                Self.node("a", draining: "leaving"), Self.node("b", phase: "isolated"), Self.node("c", isFresh: false),
                Self.node("d", version: "2"),
            ], answered: NodeCount(asked: 4, answered: 2), limits: [limit], slow: 2)
        #expect(
            problems.map(\.text.text) == [
                "node b is not linked to the backplane (isolated: no beat)", "node c was not heard for 7 s",
                "1 of 4 nodes did not answer",
                "the limit limits.publish_rate was reached 12 times in the last minute on node a",
                "node a takes no new clients: it is draining", "2 connections do not keep up",
                "the nodes run different versions: 1, 2",
            ])
        #expect(
            Diagnosis.sentence(problems, nodes: 4)
                == "Node b is not linked to the backplane (isolated: no beat), and 6 more.")
    }

    @Test func oneIsSaidInTheSingular() {
        let limit = LimitHits(
            name: "publish_rate_hits", node: "a", hitsLastMinute: 1, key: "limits.publish_rate", metric: "m")
        let problems = Diagnosis.problems(
            [Self.node("a")], answered: NodeCount(asked: 1, answered: 0), limits: [limit], slow: 1)
        #expect(
            problems.map(\.text.text) == [
                "1 of 1 node did not answer",
                "the limit limits.publish_rate was reached 1 time in the last minute on node a",
                "1 connection does not keep up",
            ])
    }

    /// That of a node which is gone does not count.
    @Test func aConfigurationThatDiffersIsNamed() {
        let nodes = [
            Self.node("a", configuration: "1"), Self.node("b", configuration: "2"), Self.node("c", configuration: "1"),
            Self.node("d"),
        ]
        let problems = Diagnosis.problems(nodes, answered: Self.all(4), limits: [], slow: 0)
        #expect(problems.map(\.text.text) == ["node b has another configuration than the other nodes"])
        #expect(problems[0].severity == .info)
        let gone = [Self.node("a", configuration: "1"), Self.node("b", isFresh: false, configuration: "2")]
        let others = Diagnosis.problems(gone, answered: NodeCount(asked: 2, answered: 1), limits: [], slow: 0)
        #expect(others.map(\.text.text) == ["node b was not heard for 7 s"])
    }

    /// A name of another node is text and no more.
    @Test func namesAreShort() {
        let name = String(repeating: "\u{202E}é", count: 300)
        let problems = Diagnosis.problems(
            [Self.node(name, phase: "isolated")], answered: Self.all(1), limits: [], slow: 0)
        #expect(problems.allSatisfy { $0.text.text.utf8.count <= PlainText.maximumBytes })
        #expect(!Diagnosis.sentence(problems, nodes: 1).unicodeScalars.contains("\u{202E}"))
    }
}
