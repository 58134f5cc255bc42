import Codec
import Reactor
import Testing

@testable import Node

/// Who gets what: positions in a channel that has had billions of publications, and memberships that are taken and given
/// back once.
@Suite struct ShardMembershipTests {
    /// A session that joined first gets everything, wherever the count of publications has come to; one that joins later
    /// gets what comes then.
    @Test(arguments: [0, 1 << 31 - 5, 1 << 31, 1 << 32 - 5, 1 << 32, 1 << 46] as [UInt64])
    func aSessionThatJoinedEarlyGetsWhatComesBillionsLater(count: UInt64) throws {
        let rig = try ShardRig()
        let early = rig.subscribe("news")
        let channel = try #require(rig.shard.channels.byName[ChannelName(trusted: Array("news".utf8))])
        // As if so many had been published since.
        channel.nextSequence = count
        var expected: [UInt8] = []
        for number in 0..<20 {
            rig.deliver("\(number)", to: "news")
            expected += [0x81, UInt8("\(number)".utf8.count)] + Array("\(number)".utf8)
            if number % 3 == 0 { rig.turn() }
        }
        rig.turn()
        #expect(rig.read(early.client) == expected)
        let late = rig.subscribe("news")
        rig.deliver("last", to: "news")
        rig.turn()
        #expect(rig.read(late.client) == [0x81, 4] + Array("last".utf8))
        #expect(rig.read(early.client) == [0x81, 4] + Array("last".utf8))
    }

    /// The numbers of publications go on for ever: whoever joined early gets what comes billions later, and whoever joined
    /// in the middle of a batch gets its rest, wherever the count stands.
    @Test(
        arguments: [
            0, 1, 1 << 31 - 1, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 53, 1 << 63 - 2, 1 << 63, .max - 1, .max,
        ] as [UInt64])
    func skipsOnlyWhatCameBefore(start: UInt64) {
        let early = Roster.Entry(slot: 1, generation: 0, since: start)
        for later in [0, 1, 1 << 31, 1 << 31 + 1, 1 << 32, 1 << 40, 1 << 46] as [UInt64] {
            #expect(early.skipped(from: start &+ later) <= 0)
        }
        for place in 0..<300 {
            let entry = Roster.Entry(slot: 1, generation: 0, since: start &+ UInt64(place))
            #expect(entry.skipped(from: start) == place)
        }
    }

    @Test func aSlotIsReleasedOnce() {
        let table = SessionTable(capacity: 4)
        let first = table.take()
        #expect(first == 0 && table.count == 1)
        #expect(table.release(0))
        #expect(!table.release(0))
        #expect(!table.release(3))
        #expect(table.count == 0)
        // Two new sessions do not share it.
        #expect(table.take() == 0)
        #expect(table.take() == 1)
    }

    /// Sessions come and go at random; after each step everybody is in the roster of its channel once, at the place it
    /// knows, and nobody else is.
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func rostersHaveExactlyTheSessionsThatAreOpen(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let rig = try ShardRig()
        var open: [UInt32] = []
        for _ in 0..<60 {
            if open.count < 20, random.next() % 3 > 0 {
                let before = Set(open)
                _ = rig.subscribe(["a", "b"].randomElement(using: &random)!)
                open = (0..<UInt32(rig.shard.context.table.used)).filter {
                    rig.shard.session($0).pointee.phase == .open
                }
                #expect(before.isSubset(of: open))
            } else if let slot = open.randomElement(using: &random) {
                rig.shard.life.drop(slot)
                open.removeAll { $0 == slot }
            }
            rig.deliver("x", to: "a")
            rig.turn()
            for channel in rig.shard.channels.byIndex.compactMap({ $0 }) {
                var members: [Roster.Entry] = []
                channel.rosters.forEach { members.append($0) }
                #expect(Set(members.map(\.slot)).count == members.count)
                for member in members {
                    let session = rig.shard.session(member.slot)
                    #expect(session.pointee.phase == .open && member.isOf(generation: session.pointee.generation))
                }
                if channel.name == .all { #expect(Set(members.map(\.slot)) == Set(open)) }
            }
        }
        #expect(rig.shard.context.counters.faults == 0)
    }
}
