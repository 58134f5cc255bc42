import Codec
import Testing

@testable import Node

@Suite struct RecentMergingTests {
    private static func event(_ time: Int, _ text: String) -> LinkEventEntry {
        LinkEventEntry(time: Count(time), level: "info", message: text)
    }

    @Test func newestFirstFromAllNodes() {
        let merged = RecentMerging.merge(
            [("a", [Self.event(1, "x"), Self.event(5, "y")]), ("b", [Self.event(3, "z")])], limit: 10)
        #expect(merged.map(\.text.text) == ["y", "z", "x"])
        #expect(merged.map(\.node.text) == ["a", "b", "a"])
        #expect(
            RecentMerging.merge([("a", [Self.event(1, "x"), Self.event(5, "y")])], limit: 1).map(\.text.text) == ["y"])
    }

    /// What several nodes say of another node is told once; what each says of itself is told by each.
    @Test func whatAllSayOfOneNodeIsToldOnce() {
        let gone = "node c is gone: no sign of life for 10 s"
        let merged = RecentMerging.merge(
            [
                ("a", [Self.event(1000, gone), Self.event(2000, "isolated: no beat")]),
                ("b", [Self.event(1400, gone), Self.event(2000, "isolated: no beat")]),
            ], limit: 10)
        #expect(merged.map(\.text.text) == ["isolated: no beat", "isolated: no beat", gone])
        #expect(merged.last?.node == "a")
        let again = RecentMerging.merge(
            [("a", [Self.event(1000, gone)]), ("b", [Self.event(90_000, gone)])], limit: 10)
        #expect(again.count == 2)
    }
}
