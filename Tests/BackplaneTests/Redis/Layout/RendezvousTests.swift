import Testing

@testable import Backplane

/// How partitions are divided among servers.
@Suite struct RendezvousTests {
    private func names(_ texts: String...) -> [[UInt8]] { texts.map { Array($0.utf8) } }

    @Test func theOrderOfTheListDoesNotMatter() {
        let one = names("a", "b", "c")
        let other = names("c", "a", "b")
        let first = Rendezvous.owners(of: 128, among: one).map { one[$0] }
        #expect(first == Rendezvous.owners(of: 128, among: other).map { other[$0] })
    }

    @Test func whoIsAddedTakesItsShareAndNothingElseMoves() {
        let before = names("redis-1:6379", "redis-2:6379", "redis-3:6379")
        let after = before + names("redis-4:6379")
        let (old, new) = (
            Rendezvous.owners(of: 128, among: before), Rendezvous.owners(of: 128, among: after)
        )
        let moved = (0..<128).filter { old[$0] != new[$0] }
        #expect(moved.allSatisfy { new[$0] == 3 })
        #expect((16...48).contains(moved.count))
    }

    @Test func sharesAreSimilar() {
        let owners = Rendezvous.owners(of: 128, among: (1...4).map { Array("redis-\($0):6379".utf8) })
        for server in 0..<4 { #expect((18...48).contains(owners.count { $0 == server })) }
    }

    @Test func oneServerHasAll() {
        #expect(Rendezvous.owners(of: 128, among: names("a")) == Array(repeating: 0, count: 128))
    }
}
