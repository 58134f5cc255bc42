import Backplane
import Codec
import Testing

@testable import Node

/// Reads that are answered when the test says so.
private final class Medium {
    var asked: [(query: HistoryQuery, completion: HistoryReads.Completion)] = []

    func answer(offsets: ClosedRange<UInt64>) {
        guard !asked.isEmpty else { return }
        let next = asked.removeFirst()
        let publications = offsets.map { offset in
            var publication = Publication(
                channel: next.query.channel, kind: .text, payload: [], origin: NodeID(1))
            publication.position = Position(epoch: 1, offset: Offset(clamping: Int(offset)))
            return publication
        }
        next.completion(
            .success(
                HistoryPage(
                    publications: publications, lineage: EpochLineage(top: Position(epoch: 1, offset: 1000)),
                    isContinuous: true, isCut: true)))
    }

    func answer(_ count: Int = 1) {
        for _ in 0..<count {
            guard !asked.isEmpty else { return }
            let next = asked.removeFirst()
            next.completion(
                .success(
                    HistoryPage(
                        publications: [], lineage: EpochLineage(top: Position(epoch: 1, offset: 0)), isContinuous: true)
                ))
        }
    }
}

@Suite struct HistoryReadsTests {
    static func query(_ number: Int, limit: Int = 100, bytes: Int = 256 << 10) -> HistoryQuery {
        HistoryQuery(
            channel: ChannelName(trusted: Array("a".utf8)), settings: HistorySettings(size: 10, timeToLive: 1000),
            since: Position(epoch: 1, offset: Offset(clamping: number)), limit: limit, bytes: bytes)
    }

    private static func reads(
        _ medium: Medium, reads: Int = 16, bytes: Int = 4 << 20, messageBytes: Int = 64 << 10
    ) -> HistoryReads {
        var limits = HistoryReads.Limits()
        limits.reads = reads
        limits.bytes = bytes
        return HistoryReads(limits: limits, messageBytes: messageBytes) { medium.asked.append(($0, $1)) }
    }

    @Test func areBoundedInNumberAndBytes() {
        let medium = Medium()
        let reads = Self.reads(medium)
        var answers = 0
        for number in 0..<1000 { reads.read(Self.query(number), for: .questions) { _ in answers += 1 } }
        // 256 KiB and one message each.
        #expect(medium.asked.count == 12 && reads.load.bytes <= 4 << 20)
        while !medium.asked.isEmpty {
            medium.answer()
            #expect(reads.load.reads <= 16 && reads.load.bytes <= 4 << 20)
        }
        #expect(answers == 1000 && reads.load.reads == 0 && reads.load.bytes == 0)
        #expect(reads.counters.waited == 988)
        // Small ones are bounded by their number.
        for number in 0..<100 { reads.read(Self.query(number, limit: 0), for: .questions) { _ in } }
        #expect(medium.asked.count == 16)
    }

    @Test func otherLimitsLetWhatWaitsBegin() {
        let medium = Medium()
        let reads = Self.reads(medium, reads: 2)
        for number in 0..<10 { reads.read(Self.query(number, limit: 0), for: .questions) { _ in } }
        #expect(medium.asked.count == 2)
        var limits = HistoryReads.Limits()
        limits.reads = 5
        reads.use(limits, messageBytes: 64 << 10)
        #expect(medium.asked.count == 5 && reads.load.reads == 5)
        limits.reads = 1
        reads.use(limits, messageBytes: 64 << 10)
        for _ in 0..<4 { medium.answer() }
        #expect(medium.asked.count == 1)
        medium.answer()
        #expect(medium.asked.count == 1)
    }

    @Test func oneIsAlwaysUnderWay() {
        let medium = Medium()
        let reads = Self.reads(medium, bytes: 1 << 20, messageBytes: 16 << 20)
        var answers = 0
        for number in 0..<3 { reads.read(Self.query(number), for: .questions) { _ in answers += 1 } }
        #expect(medium.asked.count == 1)
        medium.answer(3)
        #expect(answers == 3)
    }

    @Test func aQuestionIsAnsweredFromThePageOfAnother() {
        let medium = Medium()
        let reads = Self.reads(medium, reads: 1)
        var got: [Int: [UInt64]] = [:]
        func ask(_ number: Int, limit: Int) {
            reads.read(Self.query(number, limit: limit), for: .questions) { result in
                guard case .success(let page) = result else { return }
                got[number * 1000 + limit] = page.publications.compactMap {
                    $0.position.map { UInt64($0.offset.value) }
                }
            }
        }
        ask(90, limit: 1)
        ask(10, limit: 10)
        // In the page of the one before; beyond its end; before its beginning.
        ask(12, limit: 3)
        ask(18, limit: 3)
        ask(9, limit: 3)
        #expect(medium.asked.count == 1)
        medium.answer()
        #expect(medium.asked.count == 1 && medium.asked.first?.query.limit == 10)
        // One that comes while the page is read may know of something newer.
        ask(11, limit: 2)
        medium.answer(offsets: 11...20)
        #expect(got[10_010] == Array(11...20) && got[12_003] == [13, 14, 15] && got[18_003] == nil)
        #expect(reads.counters.shared == 1)
        var asked: [Int] = []
        while let next = medium.asked.first {
            asked.append(Int(next.query.since?.offset.value ?? 0))
            medium.answer()
        }
        #expect(asked == [18, 9, 11] && reads.load.reads == 0 && got.count == 6)
    }

    @Test func equalQuestionsThatWaitAreAskedOnce() {
        let medium = Medium()
        let reads = Self.reads(medium)
        var answers = 0
        for _ in 0..<1000 { reads.read(Self.query(1), for: .questions) { _ in answers += 1 } }
        // The first is under way: what it brings may be older than what the others know of.
        #expect(medium.asked.count == 1)
        medium.answer()
        #expect(answers == 1 && medium.asked.count == 1)
        medium.answer()
        #expect(answers == 1000 && medium.asked.isEmpty && reads.counters.shared == 998)
    }

    @Test func theNodesOwnAndSubscribersAreNotHeldUp() {
        let medium = Medium()
        let reads = Self.reads(medium, reads: 2)
        for number in 0..<100 { reads.read(Self.query(number), for: .questions) { _ in } }
        #expect(medium.asked.count == 2)
        var isHealed = false
        reads.read(Self.query(500), for: .node) { _ in isHealed = true }
        #expect(medium.asked.count == 3)
        medium.asked.swapAt(0, 2)
        medium.answer()
        #expect(isHealed)
        // Subscribers and questions have turns.
        var recovered = 0
        for number in 600..<610 { reads.read(Self.query(number), for: .subscribers) { _ in recovered += 1 } }
        medium.answer(25)
        #expect(recovered == 10)
    }

    @Test func tooManyAreRefused() {
        let medium = Medium()
        let reads = Self.reads(medium, reads: 1)
        var refused = 0
        for number in 0...(HistoryReads.Limits.waiting + 10) {
            reads.read(Self.query(number), for: .questions) { if case .failure = $0 { refused += 1 } }
        }
        #expect(refused == 10 && reads.counters.refused == 10)
    }

    /// The link breaks: each fails at once, and those that wait fail too, one after the other and not inside each other.
    @Test func failuresAtOnceEndTheQueue() {
        var held: [HistoryReads.Completion] = []
        var isBroken = false
        let reads = HistoryReads(limits: .init(), messageBytes: 1024) { _, completion in
            if isBroken { completion(.failure(.isolated)) } else { held.append(completion) }
        }
        var failed = 0
        for number in 0..<4000 {
            reads.read(Self.query(number), for: .questions) { if case .failure = $0 { failed += 1 } }
        }
        isBroken = true
        for completion in held { completion(.failure(.isolated)) }
        #expect(failed == 4000 && reads.load.reads == 0)
    }
}
