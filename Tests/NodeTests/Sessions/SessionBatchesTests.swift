import Codec
import Glibc
import Reactor
import Testing

@testable import Node

/// What clients get does not depend on how it is sent. On a machine that has no io_uring for us, both ways are the same one.
@Suite struct SessionBatchesTests {
    private static let ways: [Configuration.IOUring] = [.auto, .off]

    /// Numbers that are the same each time.
    private struct Numbers: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) | (state << 31)
        }
    }

    private static func shrink(_ slot: UInt32, of rig: ShardRig) {
        var size: Int32 = 4096
        setsockopt(
            rig.shard.session(slot).pointee.stream.descriptor, SOL_SOCKET, SO_SNDBUF, &size,
            socklen_t(MemoryLayout<Int32>.size))
    }

    private static func writable(_ slot: UInt32, _ generation: UInt32, of rig: ShardRig) {
        guard rig.shard.context.table.find(slot, generation: generation) != nil else { return }
        rig.shard.ready(slot: slot, generation: generation, readiness: .writable)
        rig.turn()
    }

    @Test func thePathIsChosenAtTheStart() throws {
        let off = try ShardRig { $0.ioUring = .off }
        #expect(off.reactor.sendRing == nil && off.shard.snapshot.sendPath == .oneByOne)
        let auto = try ShardRig()
        switch auto.shard.snapshot.sendPath {
        case .batches: #expect(auto.reactor.sendRing != nil)
        case .unavailable(let reason): #expect(auto.reactor.sendRing == nil && !reason.isEmpty)
        case .oneByOne: Issue.record("it was not tried")
        }
    }

    @Test func aSliceIsOneBatch() throws {
        let rig = try ShardRig()
        guard rig.reactor.sendRing != nil else { return }
        let clients = (0..<10).map { _ in rig.subscribe("a").client }
        let before = rig.shard.context.counters
        rig.deliver("x", to: "a")
        rig.turn()
        let after = rig.shard.context.counters
        #expect(after.sendBatches == before.sendBatches + 1 && after.batchedSends == before.batchedSends + 10)
        #expect(after.sends == before.sends + 10 && after.sendsLeftOut == before.sendsLeftOut)
        for client in clients { #expect(rig.read(client) == [0x81, 1, 120]) }
        #expect(rig.shard.io.outboundBytes == 0)
    }

    /// A few sends are no batch, and neither is what consists of several pieces.
    @Test func whatIsNoBatchIsSentAsEver() throws {
        let rig = try ShardRig()
        let clients = (0..<3).map { _ in rig.subscribe("a").client }
        rig.deliver("x", to: "a")
        rig.turn()
        #expect(rig.shard.context.counters.batchedSends == 0)
        for client in clients { #expect(rig.read(client) == [0x81, 1, 120]) }

        let others = (0..<8).map { _ in rig.open("/raw?channel=b&channel=c") }
        rig.confirm("b")
        rig.confirm("c")
        for other in others { _ = rig.read(other.client) }
        let block = ([97, 98] as [UInt8]).withUnsafeBytes { Block(copying: $0) }
        for other in others {
            rig.shard.io.append(block, from: 0, to: 1, for: other.slot)
            if other.slot % 2 == 0 { rig.shard.io.append(block, from: 1, to: 2, for: other.slot) }
        }
        block.release()
        rig.shard.io.flushDirty()
        for other in others { #expect(rig.read(other.client) == (other.slot % 2 == 0 ? [97, 98] : [97])) }
    }

    /// A client that is gone, one that reads nothing and one that gets the beginning: each as without a batch, and the others get all.
    @Test(arguments: ways) func eachSendHasItsOwnOutcome(_ way: Configuration.IOUring) throws {
        let rig = try ShardRig { $0.ioUring = way }
        let clients = (0..<8).map { _ in rig.subscribe("a") }
        let payload = String(repeating: "y", count: 100_000)
        Self.shrink(clients[2].slot, of: rig)
        Self.shrink(clients[3].slot, of: rig)
        ([122, 122, 122, 122] as [UInt8]).withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
            while case .bytes = Socket.send(rig.shard.session(clients[3].slot).pointee.stream.descriptor, bytes) {}
        }
        let stuffing = rig.shard.session(clients[3].slot).pointee
        shutdown(clients[5].client, Int32(SHUT_RD))
        let generation = rig.shard.session(clients[5].slot).pointee.generation
        rig.deliver(payload, to: "a")
        rig.turn()
        #expect(rig.shard.context.counters.writeErrors == 1)
        #expect(rig.shard.context.table.find(clients[5].slot, generation: generation) == nil)
        let partial = rig.shard.session(clients[2].slot).pointee
        let full = rig.shard.session(clients[3].slot).pointee
        #expect(partial.flags.contains(.blocked) && full.flags.contains(.blocked))
        #expect(full.outbound.bytes == 100_010 && full.bytesOut == stuffing.bytesOut)
        #expect(partial.outbound.bytes > 0 && partial.outbound.bytes < 100_010)
        #expect(rig.shard.io.outboundBytes == partial.outbound.bytes + full.outbound.bytes)
        let frame = rig.read(clients[0].client)
        #expect(frame.count == 100_010)
        for index in [1, 4, 6, 7] { #expect(rig.read(clients[index].client) == frame) }
        for (index, skipped) in [(2, 0), (3, 1)] {
            var all = rig.read(clients[index].client)
            while !rig.shard.session(clients[index].slot).pointee.outbound.isEmpty {
                Self.writable(clients[index].slot, rig.shard.session(clients[index].slot).pointee.generation, of: rig)
                all += rig.read(clients[index].client)
            }
            if skipped > 0 { all = Array(all.drop { $0 == 122 }) }
            #expect(all == frame)
        }
        #expect(rig.shard.io.outboundBytes == 0 && rig.shard.context.counters.faults == 0)
    }

    /// What waits for all together is too much, so those who take nothing are cut off: in the middle of a batch.
    @Test(arguments: ways) func sessionsThatEndInABatchHarmNobody(_ way: Configuration.IOUring) throws {
        let rig = try ShardRig {
            $0.ioUring = way
            $0.outboundBytesNode = 300_000
        }
        let clients = (0..<20).map { _ in rig.subscribe("a") }
        for index in 0..<10 { Self.shrink(clients[2 * index].slot, of: rig) }
        rig.deliver(String(repeating: "y", count: 60_000), to: "a")
        rig.turn()
        #expect(rig.shard.context.counters.nodeOutboundLimitHits > 0)
        #expect(rig.shard.io.outboundBytes <= 300_000)
        for index in 0..<10 { #expect(rig.read(clients[2 * index + 1].client).count == 60_004) }
        for client in clients where rig.shard.context.table.isTaken(client.slot) { rig.shard.life.drop(client.slot) }
        #expect(rig.shard.io.outboundBytes == 0 && rig.shard.io.kernelBytes == 0)
        #expect(rig.shard.context.counters.faults == 0)
    }

    private struct History: Equatable {
        var received: [[UInt8]]
        var deliveries: UInt64
        var bytesOut: UInt64
        var slowDisconnects: UInt64
        var writeErrors: UInt64
        var faults: UInt64
    }

    /// Publications of any size, clients that read when they like, and such that leave.
    private func play(_ seed: UInt64, _ way: Configuration.IOUring) throws -> History {
        let rig = try ShardRig {
            $0.ioUring = way
            $0.outboundBytes = 40_000
            $0.channels = [
                ChannelRule(match: ChannelPattern("l*"), slow: .latest),
                ChannelRule(match: ChannelPattern("d*"), slow: .dropOldest), ChannelRule(match: ChannelPattern("*")),
            ]
        }
        var numbers = Numbers(state: seed)
        var clients: [(client: Int32, slot: UInt32, generation: UInt32)] = []
        for index in 0..<80 {
            let names = [["k"], ["l"], ["d"], ["k", "l"], ["k", "d"]][index % 5]
            let (client, slot) = rig.open("/raw?" + names.map { "channel=\($0)" }.joined(separator: "&"))
            clients.append((client, slot, rig.shard.session(slot).pointee.generation))
            Self.shrink(slot, of: rig)
        }
        for name in ["k", "l", "d"] { rig.confirm(name) }
        var received = clients.map { rig.read($0.client) }
        for _ in 0..<200 {
            switch Int.random(in: 0..<10, using: &numbers) {
            case 0..<6:
                let size = Int.random(in: 1...(Bool.random(using: &numbers) ? 200 : 6000), using: &numbers)
                let channel = ["k", "l", "d"].randomElement(using: &numbers)!
                let text = String(repeating: "abcdefghij".randomElement(using: &numbers)!, count: size)
                rig.deliver(text, to: channel)
                if Bool.random(using: &numbers) { rig.turn() }
            case 6..<9:
                for index in clients.indices where Int.random(in: 0..<3, using: &numbers) > 0 {
                    received[index] += rig.read(clients[index].client)
                    Self.writable(clients[index].slot, clients[index].generation, of: rig)
                }
            default:
                let index = Int.random(in: clients.indices, using: &numbers)
                shutdown(clients[index].client, Int32(SHUT_RDWR))
            }
        }
        rig.turn()
        for _ in 0..<200 {
            for index in clients.indices {
                received[index] += rig.read(clients[index].client)
                Self.writable(clients[index].slot, clients[index].generation, of: rig)
            }
        }
        let counters = rig.shard.context.counters
        if way == .off { #expect(counters.batchedSends == 0) }
        if rig.reactor.sendRing != nil { #expect(counters.batchedSends > 500 && counters.sendsLeftOut == 0) }
        return History(
            received: received, deliveries: counters.deliveries, bytesOut: counters.bytesOut,
            slowDisconnects: counters.slowDisconnects, writeErrors: counters.writeErrors, faults: counters.faults)
    }

    @Test(arguments: 1...20) func bothWaysAreTheSame(_ seed: UInt64) throws {
        let batched = try play(seed, .auto)
        let direct = try play(seed, .off)
        #expect(batched.faults == 0 && batched == direct)
    }

    /// A ring that fails while the node runs: the clients notice nothing, and the operator is told.
    @Test func aRingThatFailsIsGivenUp() throws {
        let rig = try ShardRig()
        guard let ring = rig.reactor.sendRing else { return }
        let clients = (0..<10).map { _ in rig.subscribe("a").client }
        #expect(dup2(clients[0], ring.descriptor) == ring.descriptor)
        for text in ["x", "y"] {
            rig.deliver(text, to: "a")
            rig.turn()
            for client in clients { #expect(rig.read(client) == [0x81, 1, text.utf8.first!]) }
        }
        #expect(rig.reactor.sendRing == nil && rig.shard.context.counters.sendsLeftOut == 10)
        guard case .unavailable(let reason) = rig.shard.snapshot.sendPath else {
            Issue.record("the path is said to be the same")
            return
        }
        #expect(reason.hasPrefix("io_uring_enter: "))
    }

    @Test(
        arguments: [
            ([SendPath.batches, .batches], "in batches, through io_uring"),
            ([.oneByOne], "one by one, because node.io_uring is off"),
            ([.unavailable("It may not.")], "one by one. It may not."),
            ([.batches, .unavailable("It may not.")], "one by one on 1 of 2 reactors. It may not."),
        ] as [([SendPath], String)])
    func operatorsAreTold(_ paths: [SendPath], _ text: String) {
        #expect(SendPath.text(of: paths) == text)
    }
}
