import Backplane
import Codec
import Testing

@testable import Node

@Suite struct FanOutTests {
    /// What comes while nothing is sent goes out together: one pass, and one send for each subscriber.
    @Test func aBurstIsOneSendForEach() throws {
        let rig = try ShardRig()
        let clients = (0..<3).map { _ in rig.subscribe("a") }
        let before = rig.shard.context.counters
        for number in 0..<5 { rig.deliver("\(number)", to: "a") }
        rig.turn()
        for (client, _) in clients {
            #expect(rig.read(client) == (0..<5).flatMap { [0x81, 1, 48 + UInt8($0)] })
        }
        let after = rig.shard.context.counters
        #expect(after.passes - before.passes == 1 && after.sends - before.sends == 3)
        #expect(after.deliveries - before.deliveries == 15)
    }

    /// Sessions that a publication is not for get the others of its batch.
    @Test func whoeverIsExceptedGetsTheRest() throws {
        let rig = try ShardRig()
        let (one, two) = (rig.subscribe("a"), rig.subscribe("a"))
        rig.deliver("0", to: "a")
        rig.deliver("1", to: "a", extras: .init(except: [rig.shard.id(of: one.slot)]))
        rig.deliver("2", to: "a")
        rig.turn()
        #expect(rig.read(one.client) == [0x81, 1, 48, 0x81, 1, 50])
        #expect(rig.read(two.client) == [0x81, 1, 48, 0x81, 1, 49, 0x81, 1, 50])
    }

    /// Subscribers of each dialect get their own bytes, from a pass that meets only the variants that are there.
    @Test func eachVariantGetsItsBytes() throws {
        let rig = try ShardRig()
        let raw = rig.subscribe("a")
        #expect(rig.shard.channels.byName[ShardRig.name("a")]?.rosters.count == 1)
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"a"}}"#)
        #expect(rig.shard.channels.byName[ShardRig.name("a")]?.rosters.count == 2)
        _ = rig.read(client)
        rig.deliver("x", to: "a")
        rig.turn()
        #expect(rig.read(raw.client) == [0x81, 1, 120])
        #expect(rig.text(client).contains(#"{"push":{"channel":"a","pub":{"data":"x"}}}"#))
        rig.shard.life.drop(raw.slot)
        #expect(rig.shard.channels.byName[ShardRig.name("a")]?.rosters.count == 1)
    }

    /// While the link is congested, publishers without replies are not read from; then they are again.
    @Test func publishersWaitForTheLink() throws {
        let rig = try ShardRig { $0.channels = [ChannelRule(match: ChannelPattern("*"), publish: .client)] }
        let (client, slot) = rig.subscribe("a")
        rig.shard.received(.link(Reach(linked: .all, congested: .all, isReady: true)))
        rig.say(client, slot, "1")
        #expect(rig.backplane.published.count == 1 && rig.shard.session(slot).pointee.flags.contains(.paused))
        #expect(rig.shard.context.counters.publishersPaused == 1)
        rig.shard.received(.link(.everywhere))
        #expect(!rig.shard.session(slot).pointee.flags.contains(.paused))
        rig.say(client, slot, "2")
        #expect(rig.backplane.published.count == 2)
    }

    /// A backlog that cannot be kept ends the sessions that count on it, and says why.
    @Test func aBacklogThatIsTooLongEndsItsSubscribers() throws {
        let rig = try ShardRig()
        let (client, _) = rig.subscribe("a")
        let payload = String(repeating: "x", count: 1 << 20)
        for _ in 0..<17 { rig.deliver(payload, to: "a") }
        #expect(rig.shard.context.counters.backlogOverruns == 1)
        rig.turn()
        #expect(Array(rig.read(client).prefix(4)) == [0x88, 46, 0x03, 0xF5])
        #expect(rig.shard.context.counters.slowDisconnects == 1)
    }
}
