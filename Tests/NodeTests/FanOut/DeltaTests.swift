import Codec
import Reactor
import Foundation
import Testing

@testable import Node

@Suite struct DeltaTests {
    private static func rig(
        slow: ChannelRule.Slow = .disconnect, _ change: (inout Configuration) -> Void = { _ in }
    ) throws -> ShardRig {
        try ShardRig { configuration in
            configuration.channels = [
                ChannelRule(match: ChannelPattern("plain:*")),
                ChannelRule(match: ChannelPattern("*"), slow: slow, delta: .fossil),
            ]
            change(&configuration)
        }
    }

    /// A payload that has much in common with all others.
    private static func payload(_ number: Int, _ filling: Int = 300) -> String {
        #"{"n":\#(number),"filling":"\#(String(repeating: "abcdefghij", count: filling / 10))"}"#
    }

    private static func number(_ data: [UInt8]) -> Int? {
        Int(String(decoding: data.dropFirst(5).prefix { (48...57).contains($0) }, as: UTF8.self))
    }

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func theFirstIsWholeAndTheRestAreDeltas() throws {
        let rig = try Self.rig()
        let one = CentrifugeReader(rig)
        #expect(one.subscribe("a", #","delta":"fossil""#)?["delta"] as? Bool == true)
        for number in 0..<3 {
            rig.deliver(Self.payload(number), to: "a")
            rig.turn()
        }
        let late = CentrifugeReader(rig)
        late.subscribe("a", #","delta":"fossil""#)
        let plain = CentrifugeReader(rig)
        #expect(plain.subscribe("a")?["delta"] == nil)
        for number in 3..<6 { rig.deliver(Self.payload(number), to: "a") }
        rig.turn()
        one.read()
        late.read()
        plain.read()
        #expect(one.publications.map(\.data) == (0..<6).map { Self.bytes(Self.payload($0)) })
        #expect(one.publications.map(\.isDelta) == [false, true, true, true, true, true])
        // A batch of which the first is not known comes whole.
        #expect(late.publications.map(\.data) == (3..<6).map { Self.bytes(Self.payload($0)) })
        #expect(late.publications.map(\.isDelta) == [false, false, false])
        #expect(plain.publications.count == 3)
        rig.deliver(Self.payload(6), to: "a")
        rig.turn()
        late.read()
        #expect(late.publications.last?.isDelta == true && late.failures == 0)
        #expect(rig.shard.context.counters.deltasMade == 6)
        #expect(rig.shard.fanOut.deltaBytes == Self.payload(6).utf8.count)
        // Who is left does not need it.
        one.unsubscribe("a")
        late.unsubscribe("a")
        #expect(rig.shard.fanOut.deltaBytes == 0 && rig.shard.channels.byName[ShardRig.name("a")]?.base == nil)
    }

    @Test func onlyWhereTheRuleSaysSo() throws {
        let rig = try Self.rig()
        let client = CentrifugeReader(rig)
        #expect(client.subscribe("plain:a", #","delta":"fossil""#)?["delta"] == nil)
        rig.deliver(Self.payload(1), to: "plain:a")
        rig.turn()
        client.read()
        #expect(client.publications.count == 1 && client.publications[0].isDelta == false)
        #expect(rig.shard.fanOut.deltaBytes == 0)
    }

    @Test func whatIsTooLargeOrTooMuchIsWhole() throws {
        let rig = try Self.rig {
            $0.deltaBytes = 1000
            $0.deltaBytesNode = 1500
        }
        let (one, two) = (CentrifugeReader(rig), CentrifugeReader(rig))
        one.subscribe("a", #","delta":"fossil""#)
        two.subscribe("b", #","delta":"fossil""#)
        for (number, filling) in [300, 2000, 300, 300].enumerated() {
            rig.deliver(Self.payload(number, filling), to: "a")
            rig.turn()
        }
        one.read()
        #expect(one.publications.map(\.isDelta) == [false, false, false, true] && one.failures == 0)
        #expect(rig.shard.context.counters.deltaLimitHits == 1)
        // There is room for one of this size.
        for number in 0..<2 {
            rig.deliver(Self.payload(number, 900), to: "a")
            rig.deliver(Self.payload(number, 900), to: "b")
            rig.turn()
        }
        two.read()
        one.read()
        #expect(two.publications.map(\.isDelta) == [false, false] && two.failures == 0 && one.failures == 0)
        #expect(rig.shard.fanOut.deltaBytes <= 1500)
    }

    @Test func whoeverWasExceptedBeginsAnew() throws {
        let rig = try Self.rig()
        let one = CentrifugeReader(rig)
        one.subscribe("a", #","delta":"fossil""#)
        let own = rig.shard.id(of: one.slot)
        for number in 0..<6 {
            rig.deliver(Self.payload(number), to: "a", extras: number == 2 || number == 4 ? .init(except: [own]) : nil)
            if number != 4 { rig.turn() }
        }
        rig.turn()
        one.read()
        #expect(one.publications.compactMap { Self.number($0.data) } == [0, 1, 3, 5] && one.failures == 0)
        #expect(one.publications.map(\.isDelta) == [false, true, false, false])
    }

    /// Clients come, go, stop reading and are left out at random; whatever a client reads is what was published, and where
    /// nothing may be dropped it is all of it.
    @Test(
        arguments: 1...6 as ClosedRange<UInt64>, [ChannelRule.Slow.disconnect, .dropOldest, .latest])
    func whatIsPutTogetherIsWhatWasPublished(_ seed: UInt64, _ slow: ChannelRule.Slow) throws {
        var random = SplitMix(state: seed)
        let rig = try Self.rig(slow: slow) { $0.outboundBytes = slow == .disconnect ? 64 << 20 : 32 * 1024 }
        var readers: [(reader: CentrifugeReader, since: Int, excepted: Set<Int>, read: [Int])] = []
        var published: [[UInt8]] = []
        var deltas = 0

        // What a reader got since the last look.
        func look(_ index: Int) {
            let (reader, since, excepted, read) = readers[index]
            reader.read()
            #expect(reader.failures == 0)
            for publication in reader.publications.dropFirst(read.count) {
                guard let number = Self.number(publication.data) else {
                    Issue.record("a publication without a number")
                    continue
                }
                if publication.isDelta { deltas += 1 }
                #expect(publication.data == published[number], "\(number)")
                #expect(number >= since && !excepted.contains(number) && number > readers[index].read.last ?? -1)
                readers[index].read.append(number)
            }
        }

        for _ in 0..<400 {
            switch random.next() % 12 {
            case 0 where readers.count < 8:
                let reader = CentrifugeReader(rig)
                #expect(reader.subscribe("a", #","delta":"fossil""#)?["delta"] as? Bool == true)
                readers.append((reader, published.count, [], []))
            case 1:
                guard let index = readers.indices.randomElement(using: &random) else { continue }
                look(index)
            case 2 where !readers.isEmpty && random.next() % 4 == 0:
                let index = Int(random.next() % UInt64(readers.count))
                look(index)
                rig.shard.life.drop(readers[index].reader.slot)
                readers.remove(at: index)
                rig.turn()
            case 3: rig.turn()
            default:
                for _ in 0...(random.next() % 4) {
                    var text = Self.payload(published.count, 200 + Int(random.next() % 8) * 500)
                    if random.next() % 3 == 0 { text = text.replacingOccurrences(of: "cde", with: "\(random.next())") }
                    published.append(Self.bytes(text))
                    var extras: Publication.Extras?
                    if random.next() % 10 == 0, let index = readers.indices.randomElement(using: &random) {
                        extras = .init(except: [rig.shard.id(of: readers[index].reader.slot)])
                        readers[index].excepted.insert(published.count - 1)
                    }
                    rig.deliver(text, to: "a", extras: extras)
                }
                if random.next() % 2 == 0 { rig.turn() }
            }
        }
        for _ in 0..<200 {
            rig.turn()
            for index in readers.indices {
                look(index)
                rig.shard.ready(
                    slot: readers[index].reader.slot,
                    generation: rig.shard.session(readers[index].reader.slot).pointee.generation, readiness: .writable)
            }
        }
        #expect(deltas > 0)
        let counters = rig.shard.context.counters
        for (_, since, excepted, numbers) in readers {
            #expect(numbers.last == (since..<published.count).last { !excepted.contains($0) })
            guard slow == .disconnect else { continue }
            #expect(numbers == (since..<published.count).filter { !excepted.contains($0) })
        }
        if slow != .disconnect { #expect(counters.slowDroppedOldest + counters.slowReplaced > 0) }
        #expect(counters.faults == 0 && counters.slowDisconnects == 0)
        for (reader, _, _, _) in readers { rig.shard.life.drop(reader.slot) }
        #expect(rig.shard.fanOut.deltaBytes == 0)
    }
}
