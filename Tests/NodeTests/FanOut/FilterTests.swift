import Backplane
import Codec
import Testing

@testable import Node

@Suite struct FilterTests {
    private static func rig(
        slow: ChannelRule.Slow = .disconnect, history: HistorySettings? = nil, isCache: Bool = false,
        _ change: (inout Configuration) -> Void = { _ in }
    ) throws -> ShardRig {
        try ShardRig { configuration in
            configuration.channels = [
                ChannelRule(match: ChannelPattern("plain:*")),
                ChannelRule(
                    match: ChannelPattern("*"), slow: slow, history: history, isCache: isCache, delta: .fossil,
                    allowsFilters: true),
            ]
            change(&configuration)
        }
    }

    private static func tags(_ kind: String) throws -> PublicationTags {
        try PublicationTags(validating: [(Array("kind".utf8), Array(kind.utf8))])
    }

    private static func filter(_ kind: String) -> String {
        #","tf":{"key":"kind","cmp":"eq","val":"\#(kind)"}"#
    }

    /// What a filter takes in its limits.
    private static func memory(of filter: String) throws -> Int {
        let rig = try Self.rig()
        let reader = CentrifugeReader(rig)
        #expect(code(reader.subscribe("a", filter)) == nil)
        return rig.shard.channels.filterBytes
    }

    private static func code(_ reply: [String: Any]?) -> Int? {
        (reply?["error"] as? [String: Any])?["code"] as? Int
    }

    private static func deliver(
        _ rig: ShardRig, _ number: Int, _ kind: String, except: [SessionID] = [], at position: Position? = nil
    ) throws {
        let extras = Publication.Extras(except: except, tags: try tags(kind))
        var publication = rig.publication("\(number)", "a", extras: extras)
        publication.position = position
        rig.shard.received(.delivered(publication))
    }

    @Test func everybodyGetsWhatTheirFilterWants() throws {
        let rig = try Self.rig()
        let readers = ["x", "y", "x"].map { kind in
            let reader = CentrifugeReader(rig)
            #expect(Self.code(reader.subscribe("a", Self.filter(kind) + #","delta":"fossil""#)) == nil)
            // Who filters gets no deltas.
            #expect(!reader.hasDeltas)
            return reader
        }
        let all = CentrifugeReader(rig)
        all.subscribe("a")
        for (number, kind) in ["x", "y", "x", "z", "y", "x"].enumerated() { try Self.deliver(rig, number, kind) }
        rig.deliver("6", to: "a")
        rig.turn()
        for (reader, expected) in zip(readers + [all], [[0, 2, 5], [1, 4], [0, 2, 5], Array(0...6)]) {
            reader.read()
            #expect(reader.publications.map { String(decoding: $0.data, as: UTF8.self) } == expected.map { "\($0)" })
        }
        let counters = rig.shard.context.counters
        #expect(counters.filtered == 4 + 5 + 4 && counters.deliveries == 3 + 2 + 3 + 7 && counters.passes == 1)
        #expect(rig.shard.channels.byName[ShardRig.name("a")]?.filters?.isEmpty == false)
        // Equal filters are there once, and go with the last who has them.
        let bytes = rig.shard.channels.filterBytes
        readers[0].unsubscribe("a")
        #expect(rig.shard.channels.filterBytes == bytes && rig.shard.extras(readers[0].slot) == nil)
        rig.shard.life.drop(readers[1].slot)
        #expect(rig.shard.channels.filterBytes == bytes / 2)
        rig.shard.life.drop(readers[2].slot)
        #expect(rig.shard.channels.filterBytes == 0)
        #expect(rig.shard.channels.byName[ShardRig.name("a")]?.filters == nil)
    }

    @Test func filtersThatAreRefused() throws {
        let filter = Self.filter("x")
        // Room for two.
        let room = try Self.memory(of: filter) * 5 / 2
        let rig = try Self.rig { $0.filterBytes = room }
        let reader = CentrifugeReader(rig)
        #expect(Self.code(reader.subscribe("plain:a", filter)) == 107)
        #expect(Self.code(reader.subscribe("a", #","tf":{"key":"k","cmp":"like","val":"x"}"#)) == 107)
        #expect(Self.code(reader.subscribe("a", #","tf":{}"#)) == 107)
        #expect(rig.shard.context.counters.filtersRefused == 3 && rig.shard.channels.filterBytes == 0)
        #expect(Self.code(reader.subscribe("a", filter)) == nil)
        #expect(Self.code(reader.subscribe("b", filter)) == nil)
        #expect(Self.code(reader.subscribe("c", filter)) == 106)
        #expect(rig.shard.context.counters.filterLimitHits == 1)
        #expect(rig.shard.channels.byName[ShardRig.name("c")] == nil)
        // What is given up makes room.
        reader.unsubscribe("a")
        #expect(Self.code(reader.subscribe("c", filter)) == nil)

        let small = try Self.rig { $0.filterBytesNode = room }
        let readers = (0..<3).map { _ in CentrifugeReader(small) }
        let codes = readers.enumerated().map { Self.code($1.subscribe("a", Self.filter("\($0)"))) }
        #expect(codes == [nil, nil, 106])
        #expect(Self.code(readers[2].subscribe("a", Self.filter("0"))) == nil)
    }

    /// A subscription that is given up before it is confirmed leaves no filter behind.
    @Test func whatIsTakenBackLeavesNothing() throws {
        let rig = try Self.rig()
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"a"\#(Self.filter("x"))}}"#)
        #expect(rig.shard.channels.filterBytes > 0)
        rig.say(client, slot, #"{"id":3,"unsubscribe":{"channel":"a"}}"#)
        #expect(rig.shard.channels.filterBytes == 0 && rig.shard.extras(slot) == nil)
        rig.say(client, slot, #"{"id":4,"subscribe":{"channel":"a"\#(Self.filter("x"))}}"#)
        rig.shard.life.drop(slot)
        #expect(rig.shard.channels.filterBytes == 0 && rig.shard.channels.byName[ShardRig.name("a")] == nil)
    }

    /// What a client missed is filtered too. What it does not want counts as had.
    @Test(arguments: [(0, ["1", "3"], 0), (1, ["3"], 1), (3, [], 4), (4, [], 4)])
    func recoversWhatIsWanted(_ offset: Int, _ expected: [String], _ told: Int) throws {
        let rig = try Self.rig(history: HistorySettings(size: 10, timeToLive: 60_000))
        let (client, slot) = rig.logIn()
        let place = #","recover":true,"epoch":"0000000000000005","offset":\#(offset)"#
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"a"\#(place)\#(Self.filter("x"))}}"#)
        rig.confirm("a")
        let kept = try ["x", "y", "x", "y"].enumerated().map { index, kind in
            var publication = rig.publication("\(index + 1)", "a", extras: .init(tags: try Self.tags(kind)))
            publication.position = Position(epoch: 5, offset: Offset(clamping: Int64(index + 1)))
            return publication
        }
        let past = EpochLineage(top: Position(epoch: 5, offset: 4))
        var answered = 0
        while answered < rig.backplane.reads.count {
            let (query, completion) = rig.backplane.reads[answered]
            answered += 1
            let found = query.isReverse ? kept.reversed() : kept
            let page = HistoryPage(
                publications: query.limit == 0 ? [] : found, lineage: past, isContinuous: true, remaining: 60_000)
            completion(.success(page))
            rig.turn()
        }
        let heard = rig.text(client)
        #expect(heard.contains(#""was_recovering":true,"recovered":true"#), "\(heard)")
        if told > 0 { #expect(heard.contains(#""epoch":"0000000000000005","offset":\#(told)"#), "\(heard)") }
        for number in 1...4 {
            #expect(heard.contains(#"{"data":\#(number),"#) == expected.contains("\(number)"), "\(heard)")
        }
    }

    /// Filters, holes, leavers and slow readers at random: everybody gets what it wants, in its order.
    @Test(arguments: 1...6 as ClosedRange<UInt64>, [ChannelRule.Slow.disconnect, .dropOldest, .latest])
    func everybodyGetsExactlyWhatItWants(_ seed: UInt64, _ slow: ChannelRule.Slow) throws {
        var random = SplitMix(state: seed)
        let rig = try Self.rig(slow: slow)
        let kinds = ["x", "y", "z", ""]
        var readers: [(reader: CentrifugeReader, kind: String?, since: Int, excepted: Set<Int>)] = []
        var published: [String] = []
        for _ in 0..<300 {
            switch random.next() % 10 {
            case 0, 1:
                guard readers.count < 12 else { continue }
                let reader = CentrifugeReader(rig)
                let kind = random.next() % 4 == 0 ? nil : kinds.randomElement(using: &random)
                // An empty value is none that could be compared with.
                let filter = kind.map { $0.isEmpty ? #","tf":{"key":"kind","cmp":"in","vals":[""]}"# : Self.filter($0) }
                #expect(Self.code(reader.subscribe("a", filter ?? "")) == nil)
                readers.append((reader, kind, published.count, []))
            case 2:
                guard let index = readers.indices.randomElement(using: &random) else { continue }
                rig.shard.life.drop(readers.remove(at: index).reader.slot)
            case 3: rig.turn()
            default:
                for _ in 0...(random.next() % 40) {
                    let kind = kinds.randomElement(using: &random) ?? ""
                    var except: [SessionID] = []
                    if random.next() % 10 == 0, let index = readers.indices.randomElement(using: &random) {
                        except = [rig.shard.id(of: readers[index].reader.slot)]
                        readers[index].excepted.insert(published.count)
                    }
                    try Self.deliver(rig, published.count, kind, except: except)
                    published.append(kind)
                }
                if random.next() % 3 == 0 {
                    rig.turn()
                    for (reader, _, _, _) in readers { reader.read() }
                }
            }
        }
        rig.turn()
        for (reader, kind, since, excepted) in readers {
            reader.read()
            let expected = (since..<published.count).filter {
                (kind == nil || published[$0] == kind) && !excepted.contains($0)
            }
            #expect(reader.publications.map { String(decoding: $0.data, as: UTF8.self) } == expected.map { "\($0)" })
        }
        #expect(rig.shard.context.counters.faults == 0)
        for (reader, _, _, _) in readers { rig.shard.life.drop(reader.slot) }
        #expect(rig.shard.channels.filterBytes == 0)
    }
}
