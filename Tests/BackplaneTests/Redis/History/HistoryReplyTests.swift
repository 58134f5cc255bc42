import Codec
import Testing

@testable import Backplane

@Suite struct HistoryReplyTests {
    static let today = HistoryContractTests.today
    static let base = HistoryContractTests.base
    /// Of the server before.
    static let older: UInt64 = 0x1111_2222_3333_0000

    static func query(_ since: Position? = nil, limit: Int = 100, isReverse: Bool = false) -> HistoryQuery {
        MemoryHistoryTests.query(since, limit: limit, isReverse: isReverse)
    }

    static func reply(_ answer: Scripted, _ query: HistoryQuery = query()) -> HistoryReply? {
        try? HistoryReply(answer.value, to: query, today: today)
    }

    static func entry(_ offset: UInt64, epoch: UInt64 = 7) -> [UInt8] {
        Scripted.envelope(numbered(offset, epoch: epoch))
    }

    static func isContinuous(_ answer: Scripted, _ epoch: UInt64, _ offset: Offset) -> Bool {
        reply(answer, query(Position(epoch: epoch, offset: offset), limit: 0))?.page.isContinuous ?? false
    }

    // MARK: What cannot be is refused

    @Test(arguments: [
        "18446744073709551615", "9007199254740992", "-1", "x", "", "1e5", " 1", "nan",
    ])
    func anOffsetThatIsNone(_ text: String) {
        let answer = Scripted(epoch: 7, offset: text)
        #expect(throws: HistoryReply.Refusal.invalid("an invalid offset")) {
            try HistoryReply(answer.value, to: Self.query(), today: Self.today)
        }
    }

    @Test func partsOfAnotherLengthOrKind() {
        #expect(Self.reply(Scripted(epochBytes: [1, 2, 3], offset: "1")) == nil)
        let good = Scripted(epoch: 7, offset: "1").elements
        #expect((try? HistoryReply(.array(good), to: Self.query(), today: Self.today)) != nil)
        for place in good.indices {
            for value in [RESPValue.bulk(nil), .integer(.min), .array([]), .bulk([1, 2, 3]), .status("x")] {
                var bad = good
                bad[place] = value
                // Whatever it is, it is an answer or a refusal.
                _ = try? HistoryReply(.array(bad), to: Self.query(Position(epoch: 7, offset: .max)), today: Self.today)
            }
            var bad = good
            bad[place] = .bulk(nil)
            #expect((try? HistoryReply(.array(bad), to: Self.query(), today: Self.today)) == nil)
        }
        #expect((try? HistoryReply(.array([]), to: Self.query(), today: Self.today)) == nil)
        #expect((try? HistoryReply(.integer(1), to: Self.query(), today: Self.today)) == nil)
        // More than was asked for.
        let entries = (1...5).map { Self.entry($0) }
        #expect(Self.reply(Scripted(epoch: 7, offset: "5", entries: entries), Self.query(limit: 4)) == nil)
    }

    @Test func positionsBeyondAllOffsets() {
        let hostile = Scripted.bytes(7) + Scripted.bytes(.max)
        #expect(HistoryReply.position(hostile[...]) == nil && HistoryReply.positions(hostile) == nil)
        #expect(HistoryReply.positions(Array(hostile.dropLast())) == nil)
        #expect(HistoryReply.positions([UInt8](repeating: 0, count: 16 * 65)) == nil)
        var bytes = Self.entry(3)
        // The position's offset is the last field but the payload of one byte and the end of the fields.
        for index in (bytes.count - 10)..<(bytes.count - 2) { bytes[index] = 0xFF }
        let read = Self.reply(Scripted(epoch: 7, offset: "3", entries: [bytes]))
        #expect(read?.page.publications.isEmpty == true && read?.badEntries == 1)
    }

    @Test func entriesThatAreNoneEndAPage() {
        let other = Scripted.envelope(
            Publication(
                channel: ChannelName(trusted: Array("b".utf8)), kind: .text, payload: [65], origin: NodeID(1),
                position: Position(epoch: 7, offset: 3)))
        for bad in [[], [1, 2, 3], other, Self.entry(9), Self.entry(0)] as [[UInt8]] {
            let answer = Scripted(epoch: 7, offset: "5", entries: [Self.entry(2), bad, Self.entry(4), Self.entry(5)])
            let read = Self.reply(answer, Self.query(Position(epoch: 7, offset: 1)))
            #expect(read?.page.publications.compactMap { $0.position?.offset } == [2])
            #expect(read?.page.isContinuous == true && read?.page.next?.offset == 2 && (read?.badEntries ?? 0) > 0)
            // From there on it is known to be missing.
            let rest = Scripted(epoch: 7, offset: "5", entries: [bad, Self.entry(4), Self.entry(5)])
            #expect(Self.reply(rest, Self.query(Position(epoch: 7, offset: 2)))?.page.isContinuous == false)
        }
    }

    @Test func whatIsShownIsInOrder() {
        let entries = [Self.entry(3), Self.entry(3), Self.entry(1), Self.entry(5)]
        let read = Self.reply(Scripted(epoch: 7, offset: "5", entries: entries))
        #expect(read?.page.publications.compactMap { $0.position?.offset } == [3, 5] && read?.badEntries == 2)
    }

    // MARK: Which positions are good

    @Test func aChannelWithoutPublications() {
        let empty = Scripted(epoch: nil, offset: "")
        #expect(Self.reply(empty)?.page.top == Position(epoch: Self.base | Self.today, offset: 0))
        #expect(Self.isContinuous(empty, Self.base | Self.today, 0))
        #expect(Self.isContinuous(empty, Self.base | (Self.today - 28), 0))
        #expect(!Self.isContinuous(empty, Self.base | (Self.today - 29), 0))
        #expect(Self.isContinuous(empty, Self.base | (Self.today + 1), 0))
        #expect(!Self.isContinuous(empty, Self.base | (Self.today + 2), 0))
        #expect(!Self.isContinuous(empty, Self.older | Self.today, 0))
        // Something was published, and nothing is left of it.
        #expect(!Self.isContinuous(empty, Self.base | Self.today, 1))
        #expect(!Self.isContinuous(empty, 7, 0))
        #expect(Self.reply(empty, Self.query(Position(epoch: 7, offset: 1), limit: 0))?.page.isFork == true)
        #expect(Self.reply(empty, Self.query(Position(epoch: 7, offset: 0), limit: 0))?.page.isFork == false)
    }

    @Test func theFirstEpochGoesOnWithWhatWasTold() {
        let first = Self.base | (Self.today - 3)
        let channel = Scripted(epoch: first, offset: "5")
        #expect(Self.isContinuous(channel, first, 5))
        #expect(Self.isContinuous(channel, Self.base | (Self.today - 9), 5))
        // Told later than the first publication: that cannot be.
        #expect(!Self.isContinuous(channel, Self.base | Self.today, 5))
        #expect(!Self.isContinuous(channel, Self.base | (Self.today - 9), 6))
        // Another epoch has followed on another server.
        let later = Scripted(
            epoch: 99, offset: "8", lineage: [Position(epoch: first, offset: 5)], bases: [Self.older, Self.base])
        #expect(Self.isContinuous(later, Self.base | (Self.today - 9), 5))
        #expect(!Self.isContinuous(later, Self.base | (Self.today - 9), 6))
        #expect(Self.isContinuous(later, 99, 8))
    }

    /// Publications that a server had given before it was lost are not taken for those of the next one.
    @Test func whatAnotherServerToldIsABeginningAndNothingElse() {
        let channel = Scripted(epoch: Self.base | Self.today, offset: "5", bases: [Self.base, Self.older])
        #expect(Self.isContinuous(channel, Self.older | Self.today, 0))
        #expect(!Self.isContinuous(channel, Self.older | Self.today, 1))
        #expect(!Self.isContinuous(channel, Self.older | Self.today, 5))
    }

    @Test func aLossThatWasNotedEndsEveryBeginning() {
        let lost = [Position(epoch: Self.base | Self.today, offset: 3)]
        let noted = Scripted(epoch: 55, offset: "0", lostPositions: lost)
        #expect(!Self.isContinuous(noted, Self.base | Self.today, 0))
        #expect(!Self.isContinuous(noted, Self.base | Self.today, 3))
        #expect(Self.isContinuous(noted, 55, 0))
        let again = Self.reply(noted, Self.query(lost[0], limit: 0))
        #expect(again?.page.isFork == false)
    }

    /// A node of the version before begins channels with epochs of its own.
    @Test func anEpochOfTheVersionBefore() {
        let young = Scripted(epoch: 1234, offset: "5", young: 1)
        #expect(Self.isContinuous(young, Self.base | Self.today, 5) && Self.isContinuous(young, 1234, 5))
        let other = Scripted(epoch: 1234, offset: "5", young: 0)
        #expect(Self.isContinuous(other, Self.base | Self.today, 0))
        #expect(!Self.isContinuous(other, Self.base | Self.today, 1))
    }

    @Test func daysHaveAnEnd() {
        #expect(RedisBeginnings.day(.max) == 65_535 && RedisBeginnings.day(0) == 0)
        let answer = Scripted(epoch: nil, offset: "")
        for today in [0, 1, 65_535, UInt64.max] as [UInt64] {
            let read = try? HistoryReply(answer.value, to: Self.query(), today: min(today, 65_535))
            #expect(read?.page.top.epoch == Self.base | min(today, 65_535))
        }
    }

    // MARK: Whatever comes

    /// Answers with extremes in every place, and what a node does with those that are understood: nothing of it ends the process.
    @Test func noAnswerEndsTheProcess() {
        var random = SystemRandomNumberGenerator()
        let epochs: [UInt64] = [0, 7, .max, Self.base | Self.today, Self.base, Self.older | Self.today, 1 << 63]
        let numbers: [UInt64] = [0, 1, 2, 5, 1 << 31, 1 << 32, (1 << 53) - 2, (1 << 53) - 1, 1 << 53, 1 << 63, .max]
        func number() -> UInt64 { numbers.randomElement(using: &random) ?? 0 }
        func epoch() -> UInt64 { epochs.randomElement(using: &random) ?? 0 }
        func entry() -> RESPValue {
            let offset = number()
            var bytes = Self.entry(min(offset, (1 << 53) - 1), epoch: epoch())
            if Bool.random(using: &random) {
                bytes.replaceSubrange((bytes.count - 10)..<(bytes.count - 2), with: Scripted.bytes(offset))
            }
            if Int.random(in: 0..<8, using: &random) == 0 {
                bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
            }
            return Int.random(in: 0..<20, using: &random) == 0 ? .bulk(nil) : .bulk(bytes)
        }
        var understood = 0
        for _ in 0..<20_000 {
            var elements: [RESPValue] = [
                .bulk(Scripted.bytes(epoch())), .bulk(Array("\(number())".utf8)),
                .bulk(
                    (0..<Int.random(in: 0..<4, using: &random)).flatMap { _ in
                        Scripted.bytes(epoch()) + Scripted.bytes(number())
                    }),
                .bulk(
                    (0..<Int.random(in: 0..<2, using: &random)).flatMap { _ in
                        Scripted.bytes(epoch()) + Scripted.bytes(number())
                    }),
                .bulk(Array(Scripted.bytes(Self.base).prefix(6))), .integer(Int64.random(in: 0...1, using: &random)),
                .integer([0, 1, .min, .max].randomElement(using: &random) ?? 0),
                .array((0..<Int.random(in: 0..<6, using: &random)).map { _ in entry() }),
                .integer([-2, 0, 60_000, .min, .max].randomElement(using: &random) ?? 0),
            ]
            if Int.random(in: 0..<6, using: &random) == 0 { elements[0] = .bulk([]) }
            let since = Bool.random(using: &random) ? Position(epoch: epoch(), offset: Offset(clamping: number())) : nil
            let query = Self.query(since, isReverse: Bool.random(using: &random))
            guard let page = (try? HistoryReply(.array(elements), to: query, today: Self.today))?.page else { continue }
            understood += 1
            var tail = ChannelTail()
            _ = tail.read(HistoryPage(publications: [], lineage: page.lineage, isContinuous: true))
            _ = tail.arrived(numbered(min(number(), (1 << 53) - 1), epoch: epoch()))
            _ = tail.read(page)
            tail.remember(page.publications.reversed())
            _ = tail.confirmed(page)
            for known in [since, page.next, Position(epoch: epoch(), offset: Offset(clamping: number()))].compactMap({
                $0
            }) {
                if let missing = tail.missing(since: .exact(known)) { _ = tail.recent(missing) }
                _ = tail.recent(since: known)
            }
            // What follows one another is in order.
            let offsets = page.publications.compactMap { $0.position?.offset }
            check(
                offsets == (query.isReverse ? offsets.sorted(by: >) : offsets.sorted())
                    && Set(offsets).count == offsets.count)
        }
        #expect(understood > 1000)
    }
}
