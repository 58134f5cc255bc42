import Backplane
import Codec
import Testing

@testable import Node

@Suite struct ChannelsTests {
    /// A confirmation that set out before the channel was given up is not one for who subscribes afterwards.
    @Test func aConfirmationOfAnEarlierInterestDoesNotCount() throws {
        let rig = try ShardRig()
        let first = rig.open("/raw?channel=a")
        #expect(rig.backplane.held == [ShardRig.name("a")])
        rig.shard.life.drop(first.slot)
        #expect(rig.backplane.released == [ShardRig.name("a")])
        let second = rig.open("/raw?channel=a")
        rig.shard.received(.interestConfirmed(ShardRig.name("a"), leaves: 0))
        rig.turn()
        #expect(rig.shard.session(second.slot).pointee.phase == .opening && rig.read(second.client).isEmpty)
        rig.shard.received(.interestConfirmed(ShardRig.name("a"), leaves: 1))
        rig.turn()
        #expect(rig.shard.session(second.slot).pointee.phase == .open)
        #expect(rig.text(second.client).hasPrefix("HTTP/1.1 101 "))
    }

    /// Until it is confirmed a subscription is pending; then its command is answered, once, and nothing rare is left.
    @Test func aSubscriptionIsAnsweredWhenItIsConfirmed() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.logIn()
        #expect(rig.shard.extras(slot) == nil)
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"a"}}"#)
        #expect(rig.shard.extras(slot)?.pending.count == 1 && rig.read(client).isEmpty)
        rig.confirm("a")
        #expect(rig.text(client).contains(#"{"id":2,"subscribe":{}}"#))
        #expect(rig.shard.extras(slot) == nil)
        rig.confirm("a")
        #expect(rig.read(client).isEmpty)
    }

    /// Whoever takes a `subscribe` back before it was confirmed gets an answer to both.
    @Test func whatIsTakenBackIsAnswered() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"a"}}"#)
        rig.say(client, slot, #"{"id":3,"unsubscribe":{"channel":"a"}}"#)
        let heard = rig.text(client)
        #expect(heard.contains(#"{"id":2,"error":{"code":100"#) && heard.contains(#"{"id":3,"unsubscribe":{}}"#))
        rig.confirm("a")
        #expect(rig.read(client).isEmpty && rig.shard.channels.byName[ShardRig.name("a")] == nil)
        #expect(rig.backplane.released == [ShardRig.name("a")])
    }

    private static func history(_ configuration: inout Configuration) {
        configuration.channels = [
            ChannelRule(match: ChannelPattern("*"), history: HistorySettings(size: 10, timeToLive: 60_000))
        ]
    }

    /// A history channel is joined when it is known where it begins, and the reply says so.
    @Test func aSubscriberIsToldWhereItBegins() throws {
        let rig = try ShardRig(Self.history)
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"a"}}"#)
        rig.confirm("a")
        #expect(rig.read(client).isEmpty && rig.backplane.reads.count == 1)
        let past = EpochLineage(top: Position(epoch: 5, offset: 3))
        rig.backplane.reads[0].completion(.success(HistoryPage(publications: [], lineage: past, isContinuous: true)))
        rig.turn()
        let heard = rig.text(client)
        #expect(heard.contains(#"{"id":2,"subscribe":{"recoverable":true,"positioned":true"#))
        #expect(heard.contains(#""offset":3"#))
    }

    /// Where history cannot be read, the subscription is refused for now, and the client is not subscribed.
    @Test func aSubscriptionWithoutABeginningIsRefused() throws {
        let rig = try ShardRig(Self.history)
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"a"}}"#)
        rig.confirm("a")
        rig.backplane.reads[0].completion(.failure(.unknown))
        rig.turn()
        #expect(rig.text(client).contains(#"{"id":2,"error":{"code":100"#))
        #expect(rig.shard.channels.subscribers(of: ShardRig.name("a")) == 0)
        #expect(rig.shard.context.counters.subscribeTimeouts == 1 && rig.shard.extras(slot) == nil)
    }

    /// Whoever lost publications is told in the way of its dialect.
    @Test func lossesAreToldInEachDialectsWay() throws {
        let rig = try ShardRig()
        let raw = rig.subscribe("a")
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"a"}}"#)
        _ = rig.read(client)
        rig.shard.received(.lost(ShardRig.name("a"), nil))
        rig.turn()
        #expect(Array(rig.read(raw.client).prefix(4).dropFirst(2)) == [0x0F, 0xAA])
        #expect(rig.text(client).contains(#""unsubscribe":{"code":2500,"reason":"insufficient state"}"#))
        #expect(rig.shard.context.counters.lostAnnouncements == 2)
    }

    /// Presence follows the roster: who joins enters, who goes leaves, and for good only by its own word.
    @Test func presenceFollowsTheRoster() throws {
        let rig = try ShardRig {
            $0.channels = [
                ChannelRule(match: ChannelPattern("*"), presence: PresenceSettings(announces: false, grace: 0))
            ]
        }
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"a"}}"#)
        #expect(rig.backplane.present.isEmpty)
        rig.confirm("a")
        #expect(rig.backplane.present.map(\.channel) == [ShardRig.name("a")])
        rig.say(client, slot, #"{"id":3,"presence_stats":{"channel":"a"}}"#)
        #expect(rig.backplane.presenceQuestions.count == 1)
        rig.backplane.presenceQuestions[0].completion(.failure(.isolated))
        rig.turn()
        #expect(rig.text(client).contains(#"{"id":3,"error":{"code":100"#))
        rig.say(client, slot, #"{"id":4,"unsubscribe":{"channel":"a"}}"#)
        #expect(rig.backplane.left.map(\.isFinal) == [true])
    }
}
