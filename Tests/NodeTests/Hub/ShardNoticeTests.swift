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
}
