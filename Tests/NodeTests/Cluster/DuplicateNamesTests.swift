import Codec
import Reactor
import Testing

@testable import Backplane
@testable import Node

@Suite struct NamesakesTests {
    private static let own = NodeID(1)
    private static let start = MonotonicTime(nanoseconds: 1_000_000_000_000)

    private func record(_ id: UInt64, _ name: String, seen: MonotonicTime) -> NodeRecord {
        NodeRecord(id: NodeID(id), name: name, summary: [], lastSeen: seen, isSelf: id == 1)
    }

    @Test func oneThatGoesOnBeingHeardIsToldOnce() {
        var duplicateNames = DuplicateNames()
        var told: [NodeID] = []
        for second in 0..<10 {
            let now = Self.start + .seconds(second)
            let nodes = [record(1, "a", seen: now), record(2, "a", seen: now), record(3, "b", seen: now)]
            told += duplicateNames.saw(nodes, own: Self.own, name: "a", now: now)
        }
        #expect(told == [NodeID(2)])
    }

    /// After `kill -9` the lease of the earlier process is still there, but it says nothing any more.
    @Test func aPredecessorIsNone() {
        var duplicateNames = DuplicateNames()
        for second in 0..<10 {
            let now = Self.start + .seconds(second)
            let nodes = [record(1, "a", seen: now), record(2, "a", seen: Self.start)]
            #expect(duplicateNames.saw(nodes, own: Self.own, name: "a", now: now) == [])
        }
    }

    @Test func oneThatComesBackIsToldAgain() {
        var duplicateNames = DuplicateNames()
        var told = 0
        for second in 0..<20 {
            let now = Self.start + .seconds(second)
            let nodes = second == 8 ? [] : [record(2, "a", seen: now)]
            told += duplicateNames.saw(nodes, own: Self.own, name: "a", now: now).count
        }
        #expect(told == 2)
    }

    /// Names are bytes: composed and decomposed letters are two names.
    @Test func anotherSpellingIsAnotherName() {
        var duplicateNames = DuplicateNames()
        for second in 0..<10 {
            let now = Self.start + .seconds(second)
            let nodes = [record(2, "Jose\u{301}", seen: now)]
            #expect(duplicateNames.saw(nodes, own: Self.own, name: "Jos\u{E9}", now: now) == [])
        }
    }
}
