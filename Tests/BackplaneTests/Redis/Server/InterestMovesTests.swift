import Codec
import Reactor
import Testing

@testable import Backplane

/// Channels whose partition moves from one server to another.
@Suite struct InterestMovesTests {
    private let now = MonotonicTime(nanoseconds: 1_000_000_000)
    private func name(_ number: Int) -> ChannelName { ChannelName(trusted: Array("c\(number)".utf8)) }

    /// A table whose channels are all confirmed.
    private func active(_ count: Int) -> InterestTable {
        var table = InterestTable(isDivided: true)
        _ = table.connected()
        for number in 0..<count { _ = table.addInterest(name(number)) }
        confirm(&table)
        return table
    }

    private func confirm(_ table: inout InterestTable) {
        while true {
            let batch = table.nextBatch()
            if batch.isEmpty { return }
            for channel in batch { _ = table.subscribed(channel, now: now) }
        }
    }

    @Test func aBatchIsOfOnePartition() {
        var table = InterestTable(isDivided: true)
        _ = table.connected()
        for number in 0..<2000 { _ = table.addInterest(name(number)) }
        var seen = 0
        while true {
            let batch = table.nextBatch()
            guard let first = batch.first else { break }
            #expect(batch.allSatisfy { RedisPartition.of($0) == RedisPartition.of(first) })
            for channel in batch { check(table.subscribed(channel, now: now)) }
            seen += batch.count
        }
        #expect(seen == 2000 && table.isComplete)
    }

    @Test func whatMovesIsConfirmedElsewhereWithoutBeingSaidAgain() {
        var (from, to) = (active(500), active(0))
        let moved = PartitionSet([RedisPartition.of(name(0)), RedisPartition.of(name(1))])
        let channels = from.extract(moved)
        #expect(!channels.isEmpty && channels.allSatisfy { moved.contains($0.channel) && $0.isConfirmed })
        #expect(from.count + channels.count == 500 && from.isComplete)
        for (channel, isConfirmed) in channels { to.adopt(channel, isConfirmed: isConfirmed) }
        #expect(!to.isComplete)
        while true {
            let batch = to.nextBatch()
            if batch.isEmpty { break }
            for channel in batch { check(!to.subscribed(channel, now: now), "held was said already") }
        }
        #expect(to.isComplete && to.count == channels.count)
    }

    @Test func whatIsUnderWayIsNotWaitedFor() {
        var table = InterestTable(isDivided: true)
        _ = table.connected()
        _ = table.addInterest(name(0))
        check(table.nextBatch() == [name(0)] && table.unconfirmed == 1)
        let channels = table.extract(PartitionSet([RedisPartition.of(name(0))]))
        #expect(channels.count == 1 && !channels[0].isConfirmed)
        #expect(table.unconfirmed == 0 && table.isComplete)
        check(!table.subscribed(name(0), now: now), "the answer comes late")
    }

    @Test func aPartitionThatLeftIsNotAskedForUntilItIsKnownWhereItIs() {
        var table = active(3)
        let partition = RedisPartition.of(name(0))
        table.ended(name(0))
        table.block(partition)
        check(table.nextBatch().isEmpty && table.isComplete, "the others are")
        table.unblock(PartitionSet([partition]))
        #expect(!table.isComplete && table.nextBatch() == [name(0)])
    }

    @Test func whatNobodyWantsDoesNotMove() {
        var table = active(1)
        table.dropInterest(name(0), now: now)
        check(table.extract(.all).isEmpty && table.count == 0)
    }
}
