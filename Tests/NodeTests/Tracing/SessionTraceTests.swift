import Codec
import Glibc
import Reactor
import Testing

@testable import Node

/// What a trace sees of a session.
@Suite struct SessionTraceTests {
    private static func rules(_ configuration: inout Configuration) {
        configuration.channels = [ChannelRule(match: ChannelPattern("*"), publish: .client)]
    }

    private final class Rig {
        let rig: ShardRig
        let queue = BoundedQueue<SessionTrace.Item>(maximumBytes: 1 << 20, weight: { $0.weight })
        var trace: SessionTrace?

        init(_ change: (inout Configuration) -> Void = SessionTraceTests.rules) throws { rig = try ShardRig(change) }

        func begin(_ slot: UInt32, perSecond: Int = 1000, shown: Int = 4096) {
            trace = rig.shard.trace(
                rig.shard.id(of: slot), queue: queue, perSecond: perSecond, shown: shown, leftOut: { _ in })
        }

        /// As operators see it: direction, opcode or kind, data.
        func items(limit: Int = 4096) async -> [String] {
            guard let trace else { return [] }
            let reading = TraceReading(trace.variant, limit: limit)
            queue.remind()
            var texts: [String] = []
            while true {
                // Something is always there, so that nobody waits.
                queue.append(.leftOut(LeftOut(count: 77)))
                guard let batch = await queue.next() else { return texts }
                for item in batch.elements.map(reading.item) {
                    switch item {
                    case .message(let entry):
                        let kind = entry.opcode ?? entry.kind ?? ""
                        let cut = entry.shown.truncated ? "…\(entry.shown.bytes)" : ""
                        texts.append("\(entry.direction) \(kind) \(entry.shown.data)\(cut)")
                    case .leftOut(let left):
                        if left.count == 77 { return texts }
                        texts.append("left out \(left.count)")
                    case .ended(let reason): texts.append("ended \(reason)")
                    }
                }
            }
        }
    }

    @Test func showsWhatIsSentAndReceived() async throws {
        let rig = try Rig()
        let (client, slot) = rig.rig.subscribe("a")
        rig.begin(slot)
        #expect(rig.rig.shard.context.isTracing)
        rig.rig.say(client, slot, "hello")
        rig.rig.write(client, ShardRig.frame([1, 2, 3], opcode: 2))
        rig.rig.turn(slot)
        rig.rig.write(client, ShardRig.frame(Array("p".utf8), opcode: 9))
        rig.rig.turn(slot)
        rig.rig.deliver("news", to: "a")
        rig.rig.turn()
        #expect(
            await rig.items() == ["in text hello", "in binary AQID", "in ping p", "out pong p", "out text news"])
        rig.rig.write(client, ShardRig.frame([3, 232] + Array("bye".utf8), opcode: 8))
        rig.rig.turn(slot)
        #expect(await rig.items() == ["in close 1000 bye", "out close 1000 "])
        close(client)
    }

    @Test func anotherSessionIsNotShown() async throws {
        let rig = try Rig()
        let (_, slot) = rig.rig.subscribe("a")
        let (other, otherSlot) = rig.rig.subscribe("b")
        rig.begin(slot)
        rig.rig.say(other, otherSlot, "hello")
        rig.rig.deliver("news", to: "b")
        rig.rig.turn()
        #expect(await rig.items().isEmpty)
    }

    @Test func frameErrorsAreShown() async throws {
        let rig = try Rig()
        let (client, slot) = rig.rig.subscribe("a")
        rig.begin(slot)
        rig.rig.write(client, [0xFF, 0x80, 0, 0, 0, 0])
        rig.rig.turn(slot)
        let items = await rig.items()
        #expect(items.first == "in invalid reserved bits are set" && items.last?.hasPrefix("out close 1002") == true)
    }

    /// A trace that is over costs nothing, and its session may be another one.
    @Test func endsWithItsSession() async throws {
        let rig = try Rig()
        let (_, slot) = rig.rig.subscribe("a")
        rig.begin(slot)
        rig.rig.shard.life.drop(slot)
        #expect(!rig.rig.shard.context.isTracing && rig.rig.shard.context.traces.isEmpty)
        #expect(await rig.items() == ["ended closed"])
        let gone = rig.rig.shard.trace(
            SessionID(node: rig.rig.node, locator: 0, secret: .init(high: 0, low: 0)), queue: rig.queue, perSecond: 1,
            shown: 1, leftOut: { _ in })
        #expect(gone == nil)
    }

    @Test func tokensOfCommandsAreNotShown() async throws {
        let rig = try Rig()
        let (client, slot) = rig.rig.open("/connection/websocket")
        rig.begin(slot)
        rig.rig.say(client, slot, #"{"id":1,"connect":{"token":"SECRET"}}"#)
        rig.rig.turn()
        let items = await rig.items()
        #expect(items.first == #"in text {"id":1,"connect":{"token":"[redacted]"}}"#)
        #expect(items.allSatisfy { !$0.contains("SECRET") } && items.count >= 2)
    }

    @Test func longMessagesAreCut() async throws {
        let rig = try Rig()
        let (client, slot) = rig.rig.subscribe("a")
        rig.begin(slot, shown: 16)
        rig.rig.say(client, slot, String(repeating: "x", count: 100))
        #expect(await rig.items(limit: 16) == ["in text xxxxxxxxxxxxxxxx…100"])
    }

    @Test func whatIsTooMuchIsCounted() async throws {
        let rig = try Rig()
        let (client, slot) = rig.rig.subscribe("a")
        rig.begin(slot, perSecond: 2)
        for number in 0..<5 { rig.rig.say(client, slot, "\(number)") }
        #expect(await rig.items() == ["in text 0", "in text 1"])
        rig.rig.shard.context.remove(try #require(rig.trace), "time")
        #expect(await rig.items() == ["left out 3", "ended time"])
    }

    /// A client that does not read is shown what its socket took, and nothing twice or in part.
    @Test func showsWhatTheSocketTook() async throws {
        let rig = try Rig()
        let (client, slot) = rig.rig.subscribe("a")
        let payload = String(repeating: "y", count: 60_000)
        rig.begin(slot, shown: 16)
        for _ in 0..<12 {
            rig.rig.deliver(payload, to: "a")
            rig.rig.turn()
        }
        let before = await rig.items(limit: 16)
        #expect(before.count < 12 && before.allSatisfy { $0 == "out text yyyyyyyyyyyyyyyy…60000" })
        #expect(rig.rig.shard.session(slot).pointee.outbound.bytes > 0)
        // One that begins now sees what follows what is half on its way.
        let late = BoundedQueue<SessionTrace.Item>(maximumBytes: 1 << 20, weight: { $0.weight })
        _ = rig.rig.shard.trace(
            rig.rig.shard.id(of: slot), queue: late, perSecond: 1000, shown: 16, leftOut: { _ in })
        for _ in 0..<50 {
            _ = rig.rig.read(client)
            rig.rig.shard.ready(
                slot: slot, generation: rig.rig.shard.session(slot).pointee.generation, readiness: .writable)
            rig.rig.turn()
        }
        #expect(rig.rig.shard.session(slot).pointee.outbound.bytes == 0)
        let after = await rig.items(limit: 16)
        #expect(before.count + after.count == 12 && after.allSatisfy { $0 == "out text yyyyyyyyyyyyyyyy…60000" })
        late.append(.ended("x"))
        late.end()
        var seen = 0
        while let batch = await late.next() {
            for case .record(let record) in batch.elements {
                seen += 1
                #expect(record.bytes == 60_000)
            }
        }
        #expect(seen == after.count - 1)
    }
}
