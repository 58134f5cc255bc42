import Codec
import Testing

@testable import Node

@Suite struct ConfigurationComparisonTests {
    private static func value(_ key: PlainText, _ shown: PlainText, _ digest: PlainText? = nil) -> CommonValue {
        CommonValue(key: key, shown: shown, digest: digest ?? shown)
    }

    private static func compared(_ answers: (String, [CommonValue])...) -> [KeyDifference] {
        ConfigurationComparison.differences(answers.map { (node: $0.0, values: $0.1) })
    }

    @Test func nothingDiffers() {
        #expect(Self.compared().isEmpty)
        #expect(Self.compared(("a", []), ("b", [])).isEmpty)
        #expect(Self.compared(("a", [Self.value("k", "1")]), ("b", [Self.value("k", "1")])).isEmpty)
        #expect(Self.compared(("a", [Self.value("k", "1")])).isEmpty)
    }

    @Test func theValueOfMostNodesComesFirst() {
        let found = Self.compared(
            ("a", [Self.value("limits.publish_rate", "5"), Self.value("drain.wait", "1s")]),
            ("b", [Self.value("drain.wait", "1s")]), ("c", [Self.value("drain.wait", "1s")]))
        #expect(
            found == [
                KeyDifference(
                    key: "limits.publish_rate",
                    values: [
                        .init(value: Configuration.defaultShown(of: "limits.publish_rate") ?? "", nodes: ["b", "c"]),
                        .init(value: "5", nodes: ["a"]),
                    ])
            ])
    }

    @Test func keysAreSortedAndOneOfAnotherVersionIsNamed() {
        let found = Self.compared(("a", [Self.value("z", "1"), Self.value("b", "1")]), ("b", []))
        #expect(found.map(\.key) == ["b", "z"])
        #expect(found[0].values.map(\.value) == ["1", "(unknown to this version)"])
    }

    /// Rules of channels may be longer than what is shown of them.
    @Test func valuesThatLookAlikeAreToldApart() {
        let long = PlainText(String(repeating: "x", count: 600))
        let found = Self.compared(
            ("a", [Self.value("channels", long, "1")]), ("b", [Self.value("channels", long, "2")]))
        #expect(found.count == 1 && found[0].values.allSatisfy { $0.value.hasSuffix("x …") })
        #expect(found[0].values.map(\.nodes) == [["a"], ["b"]])
    }

    /// Whoever may write into Redis can answer.
    @Test func anAnswerIsBounded() {
        let many = (0..<2000).map { Self.value(PlainText("key-\($0)"), "1") }
        #expect(Self.compared(("a", many), ("b", [])).count == ConfigurationComparison.mostValues)
        let twice = [Self.value("k", "1"), Self.value("k", "2")]
        #expect(Self.compared(("a", twice), ("b", [Self.value("k", "1")])).isEmpty)
    }

    @Test func nodesThatDifferAreNamed() {
        func sentence(_ nodes: (String, PlainText)...) -> String? {
            ConfigurationComparison.sentence(nodes.map { (name: $0.0, digest: $0.1) })
        }
        #expect(sentence() == nil)
        #expect(sentence(("a", "1"), ("b", "1")) == nil)
        #expect(sentence(("a", "1"), ("b", "2")) == "the nodes have different configurations: a | b")
        #expect(sentence(("a", "1"), ("b", "2"), ("c", "1")) == "node b has another configuration than the other nodes")
        #expect(
            sentence(("a", "1"), ("b", "2"), ("c", "1"), ("d", "3"), ("e", "1"))
                == "the nodes b, d have another configuration than the other nodes")
        #expect(
            sentence(("a", "1"), ("b", "2"), ("c", "1"), ("d", "2"))
                == "the nodes have different configurations: a, c | b, d")
    }
}
