import Backplane
import Codec
import Testing

@testable import Node

@Suite struct SessionLifeTests {
    /// A client that was silent is pinged, and gone if nothing comes.
    @Test func aSilentClientIsPinged() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.subscribe("a")
        // It spoke: its request.
        rig.ring(.ping, slot)
        #expect(rig.read(client).isEmpty)
        rig.ring(.ping, slot)
        #expect(rig.read(client) == [0x89, 0])
        rig.ring(.pong, slot)
        #expect(Array(rig.read(client).prefix(4).dropFirst(2)) == [0x03, 0xF0])
        #expect(rig.shard.context.counters.missedPongs == 1)
    }

    @Test func whoeverSpeaksIsThere() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.subscribe("a")
        rig.ring(.ping, slot)
        rig.ring(.ping, slot)
        rig.write(client, [0x8A, 0x80, 0, 0, 0, 0])
        rig.turn(slot)
        rig.ring(.pong, slot)
        #expect(rig.read(client) == [0x89, 0] && rig.shard.session(slot).pointee.phase == .open)
    }

    /// In a dialect with an answer of its own only that counts.
    @Test func aDialectMayHaveItsOwnPong() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.logIn()
        rig.ring(.ping, slot)
        #expect(rig.read(client) == [0x81, 2, 123, 125])
        rig.say(client, slot, "{}")
        rig.ring(.pong, slot)
        #expect(rig.shard.session(slot).pointee.phase == .open)
        rig.ring(.ping, slot)
        rig.write(client, [0x8A, 0x80, 0, 0, 0, 0])
        rig.turn(slot)
        rig.ring(.pong, slot)
        #expect(Array(rig.read(client).dropFirst(4).prefix(4).dropFirst(2)) == [0x0B, 0xC4])
    }

    /// An event stream gets a comment, and nothing is expected of it.
    @Test func aStreamIsKeptOpen() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.connect()
        rig.write(client, "GET /sse?channel=a HTTP/1.1\r\nHost: a\r\n\r\n")
        rig.turn(slot)
        rig.confirm("a")
        #expect(rig.text(client).hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"))
        rig.ring(.ping, slot)
        rig.ring(.ping, slot)
        #expect(rig.text(client) == ":\n\n:\n\n")
        #expect(rig.shard.session(slot).pointee.phase == .open)
    }

    @Test func aClientHasToLogInInTime() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.open("/connection/websocket")
        _ = rig.read(client)
        rig.ring(.connect, slot)
        #expect(Array(rig.read(client).prefix(4).dropFirst(2)) == [0x0D, 0xAE])
    }

    /// A session that ends leaves nothing behind: no subscription, no budget, nothing rare, and no slot once the socket is gone.
    @Test func whatEndsIsForgotten() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"a"}}"#)
        rig.shard.life.end(slot, .shutdown(comeBackAfter: nil))
        #expect(rig.shard.extras(slot) == nil && rig.shard.channels.byName[ShardRig.name("a")] == nil)
        rig.turn()
        #expect(Array(rig.read(client).prefix(4).dropFirst(2)) == [0x0B, 0xB9])
        // Late alarms and answers find nothing.
        rig.ring(.ping, slot)
        rig.confirm("a")
        rig.ring(.lingering, slot)
        #expect(!rig.shard.context.table.isTaken(slot) && rig.shard.sessionCount == 0)
        let counters = rig.shard.context.counters
        #expect(counters.opened == 1 && counters.closed == 1 && counters.faults == 0)
    }

    /// A drain lets those go first of whom nothing is awaited, and the others when their publications are answered.
    @Test func aDrainWaitsForAnswers() throws {
        let rig = try ShardRig { $0.channels = [ChannelRule(match: ChannelPattern("*"), publish: .client)] }
        let (busy, idle) = (rig.logIn(), rig.logIn())
        rig.say(busy.client, busy.slot, #"{"id":2,"publish":{"channel":"a","data":1}}"#)
        rig.shard.leave(over: .zero)
        rig.turn()
        #expect(rig.shard.session(idle.slot).pointee.phase == .closing)
        #expect(rig.shard.session(busy.slot).pointee.phase == .open)
        rig.exchange.published(rig.backplane.published[0].ticket, .accepted(nil))
        rig.turn()
        #expect(rig.text(busy.client).contains(#"{"id":2,"publish":{}}"#))
    }
}
