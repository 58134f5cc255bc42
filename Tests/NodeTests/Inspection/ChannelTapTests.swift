import Codec
import Reactor
import Testing

@testable import Node

/// Somebody who reads along in a channel.
@Suite struct ChannelTapTests {
    private static func rules(_ configuration: inout Configuration) {
        configuration.channels = [ChannelRule(match: ChannelPattern("*"), publish: .client, isOccupancyKnown: true)]
    }

    private func tap(
        _ rig: ShardRig, _ channel: String, perSecond: Int = 1000
    ) -> (tap: ChannelTap, queue: BoundedQueue<ChannelTap.Item>) {
        let queue = BoundedQueue<ChannelTap.Item>(maximumBytes: 1 << 20, weight: { $0.weight })
        let tap = ChannelTap(
            ShardRig.name(channel), home: rig.reactor, queue: queue, perSecond: perSecond, leftOut: { _ in })
        rig.exchange.addTap(tap)
        return (tap, queue)
    }

    private func texts(_ queue: BoundedQueue<ChannelTap.Item>) async -> [String] {
        queue.end()
        var texts: [String] = []
        while let batch = await queue.next() {
            for item in batch.elements {
                switch item {
                case .confirmed: texts.append("confirmed")
                case .publication(let publication): texts.append(String(decoding: publication.payload, as: UTF8.self))
                case .leftOut(let left): texts.append("left out \(left.count)")
                case .lost: texts.append("lost")
                }
            }
        }
        return texts
    }

    @Test func readsAlongWithoutSubscribers() async throws {
        let rig = try ShardRig(Self.rules)
        let before = rig.exchange.channelCount
        let (tap, queue) = tap(rig, "a")
        #expect(rig.backplane.held == [ShardRig.name("a")])
        rig.confirm("a")
        rig.exchange.delivered(rig.publication("one", "a"))
        rig.exchange.delivered(rig.publication("other", "b"))
        // It is no subscriber.
        #expect(rig.backplane.occupied.isEmpty && rig.exchange.channelCount == before)
        rig.exchange.removeTap(tap)
        #expect(rig.backplane.released == [ShardRig.name("a")] && rig.backplane.vacated.isEmpty)
        rig.exchange.delivered(rig.publication("two", "a"))
        #expect(await texts(queue) == ["confirmed", "one"])
    }

    /// Whoever comes first and whoever goes first: the channel is asked for once, and held while anybody wants it.
    @Test func besideSubscribers() async throws {
        let rig = try ShardRig(Self.rules)
        let (_, slot) = rig.subscribe("a")
        let (tap, queue) = tap(rig, "a")
        #expect(rig.backplane.held.count == 1 && rig.backplane.occupied.count == 1)
        rig.exchange.delivered(rig.publication("one", "a"))
        rig.turn()
        rig.shard.life.drop(slot)
        rig.turn()
        #expect(rig.backplane.released.isEmpty && rig.backplane.vacated.count == 1)
        rig.exchange.delivered(rig.publication("two", "a"))
        let (client, _) = rig.open("/raw?channel=a")
        #expect(rig.backplane.held.count == 1 && rig.backplane.occupied.count == 2)
        rig.exchange.removeTap(tap)
        #expect(rig.backplane.released.isEmpty)
        rig.exchange.delivered(rig.publication("three", "a"))
        rig.turn()
        #expect(rig.text(client).contains("three"))
        #expect(await texts(queue) == ["confirmed", "one", "two"])
    }

    @Test func asksOnceForAChannelThatIsAwaited() throws {
        let rig = try ShardRig(Self.rules)
        let (first, _) = tap(rig, "a")
        let (second, _) = tap(rig, "a")
        _ = rig.open("/raw?channel=a")
        #expect(rig.backplane.held.count == 1)
        rig.exchange.removeTap(first)
        rig.exchange.removeTap(second)
        rig.exchange.removeTap(second)
        #expect(rig.backplane.released.isEmpty)
    }

    @Test func showsSoManyASecond() async throws {
        let rig = try ShardRig(Self.rules)
        let (_, queue) = tap(rig, "a", perSecond: 3)
        rig.confirm("a")
        for number in 0..<10 { rig.exchange.delivered(rig.publication("\(number)", "a")) }
        #expect(await texts(queue) == ["confirmed", "0", "1", "2"])
    }
}
