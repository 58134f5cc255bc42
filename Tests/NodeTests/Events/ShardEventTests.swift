import Codec
import Reactor
import Testing

@testable import Node

/// What listeners are told of sessions: each thing once, in order, and nothing that nobody wants.
@Suite struct ShardEventTests {
    /// Remembers what it was told.
    private final class Ear: EventListener, @unchecked Sendable {
        var turns: [[NodeEvent]] = []
        var dropped = 0

        func happened(_ events: [NodeEvent], dropped: Int) {
            turns.append(events)
            self.dropped += dropped
        }

        var all: [NodeEvent] { turns.flatMap { $0 } }
        var names: [String] { all.map { "\($0.kind.names[0])\($0.channel.map { " \($0)" } ?? "")" } }
    }

    private func listen(_ rig: ShardRig, _ ear: Ear, _ kinds: EventKinds = .all) {
        rig.events.listen([.init(id: 1, kinds: kinds, listener: ear)])
    }

    @Test func aSessionFromItsOpeningToItsEnd() throws {
        let rig = try ShardRig { $0.channels = [ChannelRule(match: ChannelPattern("*"), publish: .client)] }
        let ear = Ear()
        listen(rig, ear)
        let (client, slot) = rig.subscribe("news")
        let id = rig.shard.id(of: slot)
        rig.say(client, slot, "hello")
        rig.write(client, [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE9])
        rig.turn(slot)
        #expect(
            ear.names == ["session_opened", "subscribed news", "published news", "unsubscribed news", "session_closed"])
        #expect(ear.all.allSatisfy { $0.session == id })
        guard case .publication(_, let payload)? = ear.all.first(where: { $0.kind == .published })?.details,
            case .closed(let code, _, let cause)? = ear.all.last?.details
        else {
            Issue.record("\(ear.all)")
            return
        }
        #expect(payload == Array("hello".utf8) && code == 1001 && cause == "left")
        // What is over is told once.
        rig.ring(.lingering, slot)
        #expect(ear.all.count == 5)
    }

    @Test func oneThatLogsInIsOpenWhenItHas() throws {
        let rig = try ShardRig { $0.channels = [ChannelRule(match: ChannelPattern("*"), publish: .client)] }
        let ear = Ear()
        listen(rig, ear)
        let (gone, early) = rig.open("/connection/websocket")
        _ = rig.read(gone)
        rig.shard.life.drop(early)
        rig.turn()
        #expect(ear.names == [])
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"a"}}"#)
        #expect(ear.names == ["session_opened"])
        rig.confirm("a")
        rig.say(client, slot, #"{"id":3,"unsubscribe":{"channel":"a"}}"#)
        #expect(ear.names == ["session_opened", "subscribed a", "unsubscribed a"])
        // A subscription that is given up before it is confirmed never was.
        rig.say(client, slot, #"{"id":4,"subscribe":{"channel":"b"}}"#)
        rig.shard.life.drop(slot)
        rig.turn()
        #expect(ear.names.last == "session_closed" && ear.all.count == 4)
        guard case .closed(1006, _, "gone")? = ear.all.last?.details else {
            Issue.record("\(ear.all)")
            return
        }
    }

    @Test func onlyWhatIsWantedIsGathered() throws {
        let rig = try ShardRig()
        _ = rig.subscribe("a")
        #expect(rig.events.counters.collected == 0)
        let ear = Ear()
        listen(rig, ear, [.subscribed])
        let (_, slot) = rig.subscribe("b")
        rig.shard.life.drop(slot)
        rig.turn()
        #expect(ear.names == ["subscribed b"] && rig.events.counters.collected == 1)
        rig.events.listen([])
        _ = rig.subscribe("c")
        #expect(rig.events.counters.collected == 1)
    }

    @Test func eachListenerGetsItsKindsOnceATurn() throws {
        let rig = try ShardRig()
        let (opened, closed) = (Ear(), Ear())
        rig.events.listen([
            .init(id: 1, kinds: [.sessionOpened, .subscribed], listener: opened),
            .init(id: 2, kinds: [.sessionClosed], listener: closed),
        ])
        let slots = (0..<50).map { _ in rig.subscribe("a").slot }
        let before = opened.turns.count
        rig.shard.closeAll()
        rig.turn()
        #expect(opened.turns.count == before && opened.all.count == 2 * slots.count)
        #expect(closed.turns.count == 1 && closed.all.map(\.kind) == Array(repeating: .sessionClosed, count: 50))
        guard case .closed(1001, _, "shutdown")? = closed.all.first?.details else {
            Issue.record("\(closed.all)")
            return
        }
    }

    @Test func aTurnIsBounded() {
        let weight = NodeEvent(.subscribed).weight
        let collector = EventCollector(maximumBytes: 10 * weight)
        let ear = Ear()
        collector.listen([.init(id: 1, kinds: .all, listener: ear)])
        for _ in 0..<25 { collector.append(NodeEvent(.subscribed)) }
        collector.flush()
        #expect(ear.all.count == 10 && ear.dropped == 15 && collector.counters.dropped == 15)
        collector.append(NodeEvent(.subscribed))
        collector.flush()
        #expect(ear.all.count == 11 && ear.dropped == 15)
        collector.flush()
        #expect(ear.turns.count == 2)
    }

    @Test func occupancyIsAskedForWhereTheRuleSaysSo() throws {
        let rig = try ShardRig {
            $0.channels = [
                ChannelRule(match: ChannelPattern("seen:*"), isOccupancyKnown: true),
                ChannelRule(match: ChannelPattern("*")),
            ]
        }
        let seen = [ShardRig.name("seen:a")]
        let (_, first) = rig.subscribe("seen:a")
        let (_, second) = rig.subscribe("seen:a")
        _ = rig.subscribe("other")
        #expect(rig.backplane.occupied == seen && rig.backplane.vacated == [])
        rig.shard.life.drop(first)
        rig.turn()
        #expect(rig.backplane.vacated == [])
        rig.shard.life.drop(second)
        rig.turn()
        #expect(rig.backplane.vacated == seen)
        let ear = Ear()
        listen(rig, ear)
        rig.exchange.occupancyChanged(of: seen[0], isOccupied: true, order: 1)
        rig.exchange.occupancyChanged(of: seen[0], isOccupied: false, order: 2)
        rig.turn()
        #expect(ear.names == ["channel_occupied seen:a", "channel_vacated seen:a"])
    }
}
