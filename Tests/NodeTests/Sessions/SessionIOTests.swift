import Codec
import Testing

@testable import Node

@Suite struct SessionIOTests {
    /// Input that is suspended waits as bytes, counted, and is carried out in its order.
    @Test func suspendedInputWaits() throws {
        let rig = try ShardRig { $0.channels = [ChannelRule(match: ChannelPattern("*"), publish: .client)] }
        let (client, slot) = rig.subscribe("a")
        let io = rig.shard.io
        io.suspendInput(slot)
        rig.write(client, ShardRig.frame("1") + ShardRig.frame("2"))
        rig.ready(slot)
        rig.write(client, ShardRig.frame("3"))
        rig.ready(slot)
        #expect(rig.backplane.published.isEmpty && io.incompleteBytes == 21)
        #expect(rig.shard.extras(slot)?.suspended?.frames.count == 21)
        io.resumeInput(slot)
        rig.turn()
        #expect(
            rig.backplane.published.map { String(decoding: $0.publication.payload, as: UTF8.self) } == ["1", "2", "3"])
        #expect(io.incompleteBytes == 0 && rig.shard.extras(slot) == nil)
    }

    /// A session that ends with input held gives everything back.
    @Test func heldInputIsForgottenWithItsSession() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.subscribe("a")
        rig.shard.io.suspendInput(slot)
        rig.write(client, ShardRig.frame("1"))
        rig.ready(slot)
        #expect(rig.shard.io.incompleteBytes == 7)
        rig.shard.life.end(slot, .slow)
        #expect(rig.shard.io.incompleteBytes == 0 && rig.shard.extras(slot) == nil)
        rig.turn()
        #expect(rig.shard.io.outboundBytes == 0)
    }

    /// Replies in a row are one piece, and come before what is delivered afterwards.
    @Test func repliesAreGatheredInOrder() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.subscribe("a")
        let before = rig.shard.context.counters.sends
        rig.shard.io.send(slot) { FrameWriter.write(.text, UnsafeRawBufferPointer(start: nil, count: 0), to: $0) }
        rig.shard.io.send(slot) { FrameWriter.write(.ping, UnsafeRawBufferPointer(start: nil, count: 0), to: $0) }
        rig.shard.io.send(slot) { _ in }
        #expect(rig.shard.session(slot).pointee.outbound.isEmpty && rig.shard.io.room(for: slot) == (1 << 20) - 4)
        rig.deliver("x", to: "a")
        rig.turn()
        #expect(rig.read(client) == [0x81, 0, 0x89, 0, 0x81, 1, 120])
        #expect(rig.shard.context.counters.sends == before + 1)
    }

    /// A client that does not read may have so much waiting, and then it has to go.
    @Test func theBudgetEndsASessionThatDoesNotRead() throws {
        let rig = try ShardRig { $0.outboundBytes = 300_000 }
        let (_, slot) = rig.subscribe("a")
        let payload = String(repeating: "x", count: 60_000)
        for _ in 0..<20 {
            rig.deliver(payload, to: "a")
            rig.turn()
            #expect(rig.shard.io.outboundBytes <= 300_000 + 60_010)
        }
        #expect(rig.shard.context.counters.slowDisconnects == 1)
        #expect(rig.shard.session(slot).pointee.phase == .closing)
        rig.shard.life.drop(slot)
        #expect(rig.shard.io.outboundBytes == 0 && rig.shard.io.kernelBytes == 0)
    }

    /// What breaks the protocol is answered after what was whole before it.
    @Test func whatCameBeforeABadFrameCounts() throws {
        let rig = try ShardRig { $0.channels = [ChannelRule(match: ChannelPattern("*"), publish: .client)] }
        let (client, slot) = rig.subscribe("a")
        rig.write(client, ShardRig.frame("1") + [0x83, 0x80, 0, 0, 0, 0] + ShardRig.frame("2"))
        rig.turn(slot)
        #expect(rig.backplane.published.count == 1 && rig.shard.context.counters.protocolErrors == 1)
        #expect(Array(rig.read(client).prefix(4).dropFirst(2)) == [0x03, 0xEA])
    }
}
