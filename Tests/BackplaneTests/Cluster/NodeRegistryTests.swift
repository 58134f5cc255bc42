import Codec
import Reactor
import Testing

@testable import Backplane

private func at(_ seconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: seconds * 1_000_000_000) }
private func beat(_ node: UInt64, _ name: String = "n") -> Beat {
    Beat(node: NodeID(node), sequence: 1, name: name, summary: [])
}

@Suite struct NodeRegistryTests {
    @Test func knowsItselfAndThoseItHears() {
        var registry = NodeRegistry(own: NodeID(1), name: "me", now: at(0))
        check(registry.heard(beat(2), now: at(1)))
        check(!registry.heard(beat(2, "other"), now: at(2)))
        check(registry.nodes.map(\.name) == ["me", "other"])
        check(registry.nodes.map(\.isSelf) == [true, false])
    }

    @Test func leasesEnd() {
        var registry = NodeRegistry(own: NodeID(1), name: "me", now: at(0))
        registry.heard(beat(2), now: at(0))
        registry.heard(beat(3), now: at(5))
        check(registry.expire(now: at(10)).isEmpty)
        check(registry.expire(now: at(11)).map(\.id) == [NodeID(2)])
        check(registry.ids == [NodeID(1), NodeID(3)])
        check(registry.expire(now: at(1000)).map(\.id) == [NodeID(3)], "never itself")
    }

    @Test func nobodyIsBlamedForOurDeafness() {
        var registry = NodeRegistry(own: NodeID(1), name: "me", now: at(0))
        registry.heard(beat(2), now: at(0))
        registry.excuse(now: at(60))
        check(registry.expire(now: at(69)).isEmpty)
    }

    @Test func farewellsAreFinalAndOursIsNotHeard() {
        var registry = NodeRegistry(own: NodeID(1), name: "me", now: at(0))
        registry.heard(beat(2), now: at(0))
        check(registry.left(NodeID(2)) != nil)
        check(registry.left(NodeID(2)) == nil)
        check(registry.left(NodeID(1)) == nil)
        check(registry.nodes.count == 1)
    }

    @Test func summariesTogetherAreBounded() {
        var registry = NodeRegistry(own: NodeID(1), name: "me", now: at(0))
        let large = [UInt8](repeating: 0x31, count: 8192)
        for node in 2...UInt64(3000) {
            registry.heard(Beat(node: NodeID(node), sequence: 1, name: "n", summary: large), now: at(0))
        }
        check(registry.nodes.count == 3000)
        check(registry.nodes.reduce(0) { $0 + $1.summary.count } <= NodeRegistry.maximumSummaryBytes)
        check(registry.nodes.count { $0.summary.isEmpty } > 900)
        // What is heard of those who are left is kept again when others have gone.
        for node in 2...UInt64(2000) { _ = registry.left(NodeID(node)) }
        registry.heard(Beat(node: NodeID(2999), sequence: 2, name: "n", summary: large), now: at(1))
        check(registry.nodes.contains { $0.id == NodeID(2999) && $0.summary == large })
        registry.update(summary: large, now: at(1))
        check(registry.nodes.contains { $0.isSelf && $0.summary == large })
    }

    @Test func isBounded() {
        var registry = NodeRegistry(own: NodeID(1), name: "me", now: at(0))
        for node in 2...UInt64(NodeRegistry.maximumNodes + 100) { registry.heard(beat(node), now: at(0)) }
        check(registry.nodes.count == NodeRegistry.maximumNodes)
    }
}
