import Backplane
import Codec
import Testing

@testable import Node

@Suite struct CommandsTests {
    private static func open(_ configuration: inout Configuration) {
        configuration.channels = [ChannelRule(match: ChannelPattern("*"), publish: .client)]
    }

    /// A publication is answered when the backplane has it, and with a temporary error when it has not.
    @Test func aPublicationIsAnsweredWhenItIsDecided() throws {
        let rig = try ShardRig(Self.open)
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"publish":{"channel":"a","data":{"x":1}}}"#)
        rig.say(client, slot, #"{"id":3,"publish":{"channel":"a","data":2}}"#)
        #expect(rig.read(client).isEmpty && rig.shard.session(slot).pointee.unanswered == 2)
        let published = rig.backplane.published
        #expect(published.map(\.publication.kind) == [.json, .json])
        #expect(published[0].publication.extras?.publisher?.session == rig.shard.id(of: slot))
        rig.exchange.published(published[0].ticket, .accepted(nil))
        rig.exchange.published(published[1].ticket, .refused(.isolated))
        rig.turn()
        let heard = rig.text(client)
        #expect(heard.contains(#"{"id":2,"publish":{}}"#) && heard.contains(#"{"id":3,"error":{"code":100"#))
        #expect(rig.shard.session(slot).pointee.unanswered == 0)
    }

    /// An answer for a session that is gone reaches nobody, not even the one that has its slot.
    @Test func anAnswerToASessionThatIsGoneReachesNobody() throws {
        let rig = try ShardRig(Self.open)
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"publish":{"channel":"a","data":1}}"#)
        rig.shard.life.drop(slot)
        let next = rig.logIn()
        #expect(next.slot == slot)
        rig.exchange.published(rig.backplane.published[0].ticket, .accepted(nil))
        rig.turn()
        #expect(rig.read(next.client).isEmpty)
    }

    /// Whoever may not publish is told so where there are replies, and sent away where there are none.
    @Test func aPublicationThatIsNotPermittedIsRefused() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"publish":{"channel":"a","data":1}}"#)
        #expect(rig.text(client).contains(#"{"id":2,"error":{"code":103"#))
        let raw = rig.subscribe("a")
        rig.say(raw.client, raw.slot, "1")
        #expect(Array(rig.read(raw.client).prefix(4).dropFirst(2)) == [0x03, 0xF0])
        #expect(rig.backplane.published.isEmpty && rig.shard.context.counters.refusedPublishes == 2)
        #expect(rig.shard.snapshot.refusals == ["error_103": 1, "close_1008": 1])
    }

    /// Publishing too fast is an error where there are replies; where there are none the session is read from more slowly.
    @Test func publishingTooFast() throws {
        let rig = try ShardRig {
            Self.open(&$0)
            $0.publishRate = 1
            $0.publishBurst = 2
        }
        let (client, slot) = rig.logIn()
        for id in 2...4 { rig.say(client, slot, #"{"id":\#(id),"publish":{"channel":"a","data":1}}"#) }
        #expect(rig.backplane.published.count == 2 && rig.text(client).contains(#"{"id":4,"error":{"code":111"#))
        let raw = rig.subscribe("a")
        for _ in 0..<4 { rig.write(raw.client, ShardRig.frame("x")) }
        rig.turn(raw.slot)
        #expect(rig.backplane.published.count == 6 && rig.shard.session(raw.slot).pointee.flags.contains(.indebted))
        rig.ring(.debt, raw.slot)
        #expect(!rig.shard.session(raw.slot).pointee.flags.contains(.indebted))
    }

    /// A command that is refused again and again ends the session of a client that does not listen.
    @Test func whoeverDoesNotListenToRefusalsHasToGo() throws {
        let rig = try ShardRig {
            $0.subscribeRate = 1
            $0.subscribeBurst = 1
        }
        let (client, slot) = rig.logIn()
        var last: [UInt8] = []
        for id in 2...1003 {
            rig.say(client, slot, #"{"id":\#(id),"subscribe":{"channel":"c\#(id)"}}"#)
            last = rig.read(client)
        }
        #expect(rig.shard.context.counters.subscribeRateHits == 1001)
        #expect(Array(last.prefix(4).dropFirst(2)) == [0x0B, 0xC5])
        #expect(rig.shard.session(slot).pointee.phase == .closing)
    }

    @Test func tooManyControlFramesEndASession() throws {
        let rig = try ShardRig {
            $0.controlRate = 1
            $0.controlBurst = 2
        }
        let (client, slot) = rig.subscribe("a")
        for _ in 0..<3 { rig.write(client, [0x89, 0x80, 0, 0, 0, 0]) }
        rig.turn(slot)
        let heard = rig.read(client)
        #expect(Array(heard.prefix(4)) == [0x8A, 0, 0x8A, 0] && Array(heard.dropFirst(6).prefix(2)) == [0x03, 0xF0])
    }
}
