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

    @Test func isBounded() {
        var registry = NodeRegistry(own: NodeID(1), name: "me", now: at(0))
        for node in 2...UInt64(NodeRegistry.maximumNodes + 100) { registry.heard(beat(node), now: at(0)) }
        check(registry.nodes.count == NodeRegistry.maximumNodes)
    }
}
