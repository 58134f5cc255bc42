import Codec
import Reactor
import Testing

@testable import Backplane

/// What both backplanes promise of a read. Redis is played by a plain model of what its script does; what is shown of it is how
/// answers are understood.
@Suite struct HistoryContractTests {
    static let today: UInt64 = 20_000
    static let base: UInt64 = 0xABCD_EF01_2345_0000

    /// A channel of either kind, to be published to and read.
    protocol Kept {
        mutating func publish(_ bytes: Int)
        mutating func read(_ query: HistoryQuery) -> HistoryPage
        /// Things that are kept.
        var count: Int { get }
    }

    struct InMemory: Kept {
        var history = MemoryHistory(random: 42)

        mutating func publish(_ bytes: Int) {
            _ = history.append(
                Publication(
                    channel: MemoryHistoryTests.channel, kind: .text, payload: [UInt8](repeating: 65, count: bytes),
                    origin: NodeID(1)), HistorySettings(size: 1000, timeToLive: 60_000), now: MemoryHistoryTests.at(0))
        }

        mutating func read(_ query: HistoryQuery) -> HistoryPage { history.page(query, now: MemoryHistoryTests.at(0)) }

        var count: Int { history.channels }
    }

    struct InRedis: Kept {
        var published: [Publication] = []

        mutating func publish(_ bytes: Int) {
            published.append(
                Publication(
                    channel: MemoryHistoryTests.channel, kind: .text, payload: [UInt8](repeating: 65, count: bytes),
                    origin: NodeID(1),
                    position: Position(
                        epoch: HistoryContractTests.base | HistoryContractTests.today,
                        offset: Offset(clamping: published.count + 1))))
        }

        mutating func read(_ query: HistoryQuery) -> HistoryPage {
            var from = query.isReverse ? published.reversed() : published
            if let since = query.since {
                from = from.filter {
                    guard let offset = $0.position?.offset else { return false }
                    return query.isReverse ? offset < since.offset : since.offset < offset
                }
            }
            var entries: [[UInt8]] = []
            var used = 0
            var isCut = false
            for publication in from.prefix(query.limit) {
                let bytes = Scripted.envelope(publication)
                isCut = !entries.isEmpty && used + bytes.count > query.bytes
                if isCut { break }
                used += bytes.count
                entries.append(bytes)
            }
            let answer = Scripted(
                epoch: published.last?.position?.epoch, offset: "\(published.count)", young: 1, cut: isCut ? 1 : 0,
                entries: entries)
            guard let reply = try? HistoryReply(answer.value, to: query, today: HistoryContractTests.today) else {
                Issue.record("it is not understood")
                return HistoryPage(
                    publications: [], lineage: EpochLineage(top: Position(epoch: 0, offset: 0)), isContinuous: false)
            }
            check(reply.badEntries == 0)
            return reply.page
        }

        var count: Int { published.isEmpty ? 0 : 1 }
    }

    static func query(
        _ since: Position? = nil, limit: Int = 1000, bytes: Int = HistoryQuery.pageBytes, isReverse: Bool = false
    ) -> HistoryQuery { MemoryHistoryTests.query(since, limit: limit, bytes: bytes, isReverse: isReverse) }

    static func both(_ test: (inout any Kept) -> Void) {
        var memory: any Kept = InMemory()
        test(&memory)
        var redis: any Kept = InRedis()
        test(&redis)
    }

    @Test func aPageIsBoundedAndTheNextOneGoesOn() {
        Self.both { kept in
            for _ in 0..<100 { kept.publish(10_000) }
            for isReverse in [false, true] {
                var seen: [Offset] = []
                var since: Position?
                var pages = 0
                while true {
                    let page = kept.read(Self.query(since, bytes: 100_000, isReverse: isReverse))
                    check(page.isContinuous)
                    check(page.publications.reduce(0) { $0 + $1.payload.count } <= 100_000)
                    seen += page.publications.compactMap { $0.position?.offset }
                    pages += 1
                    guard let next = page.next, pages < 50 else { break }
                    since = next
                }
                let all = (1...100).map { Offset(clamping: $0) }
                check(seen == (isReverse ? all.reversed() : all))
                check(pages > 10)
            }
        }
    }

    @Test func onePublicationIsAlwaysGiven() {
        Self.both { kept in
            for _ in 0..<3 { kept.publish(1 << 20) }
            let page = kept.read(Self.query(bytes: 1))
            check(page.publications.count == 1 && page.isCut && page.next?.offset == 1)
            let newest = kept.read(Self.query(bytes: 1, isReverse: true))
            check(newest.publications.count == 1 && newest.isCut && newest.next?.offset == 3)
        }
    }

    @Test func limitsOfAQueryAreBounded() {
        let greedy = Self.query(limit: .max, bytes: .max)
        check(greedy.limit == HistoryQuery.maximumPublications && greedy.bytes == HistoryQuery.maximumBytes)
        let modest = Self.query(limit: .min, bytes: .min)
        check(modest.limit == 0 && modest.bytes == 1)
    }

    @Test func readingKeepsNothingAndWhatItToldHolds() {
        Self.both { kept in
            let told = kept.read(Self.query(limit: 0)).top
            check(told.offset == .zero && kept.count == 0)
            check(kept.read(Self.query(told)).isContinuous && kept.count == 0)
            for _ in 0..<3 { kept.publish(1) }
            let page = kept.read(Self.query(told))
            check(page.isContinuous && page.publications.compactMap { $0.position?.offset } == [1, 2, 3])
            // A client that stayed goes on counting in the epoch it was told.
            let later = kept.read(Self.query(Position(epoch: told.epoch, offset: 2)))
            check(later.publications.compactMap { $0.position?.offset } == [3])
            check(!kept.read(Self.query(Position(epoch: told.epoch, offset: 4))).isContinuous)
            check(!kept.read(Self.query(Position(epoch: 0, offset: 0))).isContinuous)
            check(!kept.read(Self.query(Position(epoch: told.epoch, offset: .max))).isContinuous)
        }
    }

    @Test func aPastThatIsNoneBringsNothing() {
        Self.both { kept in
            for _ in 0..<20 { kept.publish(1) }
            for isReverse in [false, true] {
                let page = kept.read(Self.query(Position(epoch: 77, offset: 3), isReverse: isReverse))
                check(!page.isContinuous && page.publications.isEmpty && page.next == nil)
            }
        }
    }
}

/// An answer of the script that reads, part by part.
struct Scripted {
    var epoch: UInt64?
    var epochBytes: [UInt8]?
    var offset = "0"
    var lineage: [Position] = []
    var lostPositions: [Position] = []
    var bases: [UInt64] = [HistoryContractTests.base]
    var young: Int64 = 0
    var cut: Int64 = 0
    var left: Int64 = 60_000
    var entries: [[UInt8]] = []

    static func bytes(_ word: UInt64) -> [UInt8] { RedisServer.bytes(word) }

    static func envelope(_ publication: Publication) -> [UInt8] {
        let writer = ByteWriter()
        EnvelopeCodec.write(publication, to: writer)
        return Array(writer.bytes)
    }

    static func pack(_ positions: [Position]) -> [UInt8] {
        positions.flatMap { bytes($0.epoch) + bytes($0.offset.value) }
    }

    var elements: [RESPValue] {
        [
            .bulk(epochBytes ?? epoch.map(Self.bytes) ?? []), .bulk(Array(offset.utf8)), .bulk(Self.pack(lineage)),
            .bulk(Self.pack(lostPositions)), .bulk(bases.flatMap { Self.bytes($0).prefix(6) }), .integer(young),
            .integer(cut), .array(entries.map { .bulk($0) }), .integer(left),
        ]
    }

    var value: RESPValue { .array(elements) }
}
