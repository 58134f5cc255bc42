import Backplane
import Codec
import Testing

@testable import Node

/// What the exchange says on the home reactor waits for the shard's turn.
@Suite struct ShardNoticeTests {
    /// The backplane answers and delivers while it is being asked; the session that asks hears of it in the shard's turn.
    @Test func nothingIsAnsweredWhileItIsBeingDone() throws {
        let rig = try ShardRig { $0.channels = [ChannelRule(match: ChannelPattern("*"), publish: .client)] }
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"news"}}"#)
        rig.confirm("news")
        _ = rig.read(client)
        let exchange = rig.exchange
        rig.backplane.onPublish = { publication, ticket in
            exchange.published(ticket, .accepted(nil))
            exchange.delivered(publication)
        }
        rig.write(client, ShardRig.frame(#"{"id":3,"publish":{"channel":"news","data":1}}"#))
        rig.ready(slot)
        #expect(rig.backplane.published.count == 1)
        #expect(rig.shard.session(slot).pointee.unanswered == 1)
        #expect(rig.shard.channels.byName[ShardRig.name("news")]?.backlog.isEmpty == true)
        #expect(exchange.hasNotices(for: 0))
        rig.turn()
        #expect(rig.shard.session(slot).pointee.unanswered == 0 && !exchange.hasNotices(for: 0))
        let heard = rig.text(client)
        #expect(heard.contains(#"{"id":3,"publish":{}}"#) && heard.contains(#""pub":{"data":1"#))
    }

    /// What is said while notices are being taken waits for the next turn, behind the others, and that turn comes.
    @Test func whatIsSaidMeanwhileComesInItsOrder() throws {
        let rig = try ShardRig()
        let (client, _) = rig.subscribe("a")
        // Giving up the channel makes a request, and the new subscriber another one.
        for number in 0..<3 { rig.exchange.delivered(rig.publication("\(number)", "a")) }
        #expect(rig.read(client).isEmpty)
        rig.turn()
        #expect(rig.read(client) == [0x81, 1, 48, 0x81, 1, 49, 0x81, 1, 50])
        #expect(rig.shard.context.counters.faults == 0)
    }

    /// Accepted publications wait apart from the rest, and are told in the order of all the same.
    @Test func acceptedPublicationsKeepTheirPlace() throws {
        let rig = try ShardRig { $0.channels = [ChannelRule(match: ChannelPattern("*"), publish: .client)] }
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"news"}}"#)
        rig.confirm("news")
        _ = rig.read(client)
        for id in 3...6 {
            rig.write(client, ShardRig.frame(#"{"id":\#(id),"publish":{"channel":"news","data":1}}"#))
            rig.ready(slot)
        }
        let tickets = rig.backplane.published.map(\.ticket)
        #expect(tickets.count == 4)
        rig.exchange.published(tickets[0], .accepted(nil))
        rig.exchange.published(tickets[1], .accepted(nil))
        rig.exchange.published(tickets[2], .refused(.bufferFull))
        rig.exchange.published(tickets[3], .accepted(nil))
        rig.turn()
        let heard = rig.text(client)
        let replies = [#"{"id":3,"publish":{}}"#, #"{"id":4,"publish":{}}"#, #""id":5"#, #"{"id":6,"publish":{}}"#]
        let places = replies.compactMap { heard.firstRange(of: $0)?.lowerBound }
        #expect(places.count == 4 && places == places.sorted(), "\(heard)")
        #expect(heard.contains(#""id":5,"error""#))
        #expect(rig.shard.session(slot).pointee.unanswered == 0)
    }
}
