import Codec
import Reactor
import Testing

@testable import Backplane

/// What both backplanes promise of history. Redis is a real server.
@Suite struct HistoryPromiseTests {
    private let news = ContractRig.channel("news")
    private let other = ContractRig.channel("other")
    private let settings = HistorySettings(size: 1000, timeToLive: 3_600_000)

    /// Publishes numbers from 1 on, and waits until the last one is answered.
    private static func fill(
        _ rig: ContractRig, _ channel: ChannelName, _ count: Int, _ settings: HistorySettings, from first: UInt64 = 1
    ) async -> [Position] {
        await rig.reactor.perform {
            for number in 0..<UInt64(count) {
                rig.backplane.publish(
                    rig.publication("\(number + 1)", to: channel), history: settings, ticket: .waiter(first + number))
            }
        }
        await rig.until("all are answered") { $0.recorder.outcomes[first + UInt64(count) - 1] != nil }
        return await rig.reactor.perform {
            (0..<UInt64(count)).compactMap { number in
                if case .accepted(let position?)? = rig.recorder.outcomes[first + number]?.first {
                    position
                } else {
                    nil
                }
            }
        }
    }

    private static func texts(_ page: HistoryPage) -> [String] {
        page.publications.map { String(decoding: $0.payload, as: UTF8.self) }
    }

    /// Redis gets what is published in one turn by few commands.
    @Test(arguments: ContractRig.Kind.available)
    func whatIsPublishedInOneTurnIsKeptOneByOne(_ kind: ContractRig.Kind) async throws {
        let (news, settings) = (news, HistorySettings(size: 5, timeToLive: 3_600_000))
        try await ContractRig.with(kind) { rig in
            await rig.addInterest(news)
            #expect(await rig.publishAndWait("0", to: news, key: "without history", waiter: 100) == .accepted(nil))
            let keys = [nil, "a", "b", "a", nil, "without history", "c", "b", nil]
            await rig.reactor.perform {
                for (index, key) in keys.enumerated() {
                    rig.backplane.publish(
                        rig.publication("\(index + 1)", to: news, key: key), history: settings,
                        ticket: .waiter(UInt64(index + 1)))
                }
            }
            await rig.until("all are answered") { $0.recorder.answeredWaiters.count == keys.count + 1 }
            // All that went with the keys that were used before: the position of the first, and none without history.
            let offsets = await rig.reactor.perform {
                (1...keys.count).map { rig.recorder.outcomes[UInt64($0)]?.first?.position?.offset }
            }
            #expect(offsets == [1, 2, 3, 2, 4, nil, 5, 3, 6])
            let delivered = ["0", "1", "2", "3", "5", "7", "9"]
            await rig.until("what is new came once, in order") { $0.recorder.payloads(of: news) == delivered }
            let page = try await rig.read(news, settings)
            #expect(Self.texts(page) == ["2", "3", "5", "7", "9"])
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func whoeverAsksInTheSameTurnFindsIt(_ kind: ContractRig.Kind) async throws {
        let (news, settings) = (news, settings)
        try await ContractRig.with(kind) { rig in
            let page = await withCheckedContinuation { continuation in
                rig.reactor.post {
                    rig.backplane.publish(
                        rig.publication("1", to: news), history: settings, ticket: .waiter(1))
                    rig.backplane.read(HistoryQuery(channel: news, settings: settings, since: nil, limit: 10)) {
                        continuation.resume(returning: $0)
                    }
                }
            }
            let found = try page.get()
            #expect(Self.texts(found) == ["1"])
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func onePositionIsOnePayload(_ kind: ContractRig.Kind) async throws {
        let (news, other, settings) = (news, other, settings)
        try await ContractRig.with(kind) { rig in
            await rig.addInterest(news)
            await rig.addInterest(other)
            let count = 300
            await rig.reactor.perform {
                for number in 0..<UInt64(count) {
                    rig.backplane.publish(
                        rig.publication("n\(number)", to: news), history: settings, ticket: .waiter(2 * number + 1))
                    rig.backplane.publish(
                        rig.publication("o\(number)", to: other), history: settings, ticket: .waiter(2 * number + 2))
                }
            }
            await rig.until("all are delivered and answered") {
                $0.recorder.positions(of: news).count >= count && $0.recorder.positions(of: other).count >= count
                    && $0.recorder.answeredWaiters.count >= 2 * count
            }
            for (channel, letter) in [(news, "n"), (other, "o")] {
                let page = try await rig.read(channel, settings)
                let (payloads, positions) = await rig.reactor.perform {
                    (rig.recorder.payloads(of: channel), rig.recorder.positions(of: channel))
                }
                #expect(payloads == (0..<count).map { "\(letter)\($0)" })
                #expect(positions.map(\.offset) == (1...count).map { Offset(clamping: $0) })
                #expect(Set(positions.map(\.epoch)).count == 1)
                #expect(Self.texts(page) == payloads && page.publications.compactMap(\.position) == positions)
                #expect(page.top == positions.last && !page.isCut && page.isContinuous)
            }
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func readsFromAPositionOn(_ kind: ContractRig.Kind) async throws {
        let (news, settings) = (news, settings)
        try await ContractRig.with(kind) { rig in
            let given = await Self.fill(rig, news, 20, settings)
            #expect(given.count == 20)
            let later = try await rig.read(news, settings, since: given[14])
            #expect(Self.texts(later) == ["16", "17", "18", "19", "20"] && later.isContinuous && !later.isCut)
            let part = try await rig.read(news, settings, since: given[9], limit: 3)
            #expect(Self.texts(part) == ["11", "12", "13"] && part.isCut && part.next == given[12])
            let back = try await rig.read(news, settings, since: given[4], limit: 2, isReverse: true)
            #expect(Self.texts(back) == ["4", "3"] && back.isCut && back.next == given[2])
            let newest = try await rig.read(news, settings, limit: 1, isReverse: true)
            #expect(Self.texts(newest) == ["20"])
            let end = try await rig.read(news, settings, since: given[19])
            #expect(end.publications.isEmpty && end.isContinuous && end.top == given[19])
            let top = try await rig.read(news, settings, limit: 0)
            #expect(top.publications.isEmpty && top.top == given[19])
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func saysWhatItCannotContinue(_ kind: ContractRig.Kind) async throws {
        let news = news
        let few = HistorySettings(size: 3, timeToLive: 3_600_000)
        try await ContractRig.with(kind) { rig in
            let given = await Self.fill(rig, news, 8, few)
            #expect(Self.texts(try await rig.read(news, few)) == ["6", "7", "8"])
            #expect(Self.texts(try await rig.read(news, few, since: given[4])) == ["6", "7", "8"])
            // What follows is trimmed.
            let hole = try await rig.read(news, few, since: given[3])
            #expect(!hole.isContinuous && hole.publications.isEmpty && hole.top == given[7])
            // Beyond the end, and of nobody's epoch.
            let beyond = Position(epoch: given[0].epoch, offset: 9)
            #expect(try await !rig.read(news, few, since: beyond).isContinuous)
            let foreign = Position(epoch: given[0].epoch ^ 1 << 63 ^ 12345 << 20, offset: 1)
            #expect(try await !rig.read(news, few, since: foreign).isContinuous)
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func theBeginningThatWasToldHolds(_ kind: ContractRig.Kind) async throws {
        let (news, settings) = (news, settings)
        try await ContractRig.with(kind) { rig in
            let told = try await rig.read(news, settings, limit: 0).top
            #expect(told.offset == .zero)
            #expect(try await rig.read(news, settings, limit: 0).top == told)
            let given = await Self.fill(rig, news, 3, settings)
            #expect(given.map(\.epoch) == [told.epoch, told.epoch, told.epoch])
            let page = try await rig.read(news, settings, since: told)
            #expect(Self.texts(page) == ["1", "2", "3"] && page.isContinuous)
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func aPageIsBoundedByBytes(_ kind: ContractRig.Kind) async throws {
        let (news, settings) = (news, settings)
        try await ContractRig.with(kind) { rig in
            for number in 1...5 as ClosedRange<UInt64> {
                _ = await rig.publishAndWait(
                    String(repeating: "x", count: 40_000), to: news, history: settings, waiter: number)
            }
            var seen = 0
            var pages = 0
            var since: Position?
            repeat {
                let page = try await rig.read(
                    HistoryQuery(channel: news, settings: settings, since: since, limit: 1000, bytes: 100_000)
                ).get()
                #expect(page.publications.count <= 2 && !page.publications.isEmpty)
                seen += page.publications.count
                pages += 1
                since = page.next
            } while since != nil && pages < 10
            #expect(seen == 5 && pages == 3)
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func whatIsOverIsGoneAndItsEndIsKept(_ kind: ContractRig.Kind) async throws {
        let news = news
        let short = HistorySettings(size: 10, timeToLive: 30)
        try await ContractRig.with(kind) { rig in
            let given = await Self.fill(rig, news, 2, short)
            let deadline = MonotonicTime.now() + .seconds(20)
            var page = try await rig.read(news, short)
            while !page.publications.isEmpty, .now() < deadline { page = try await rig.read(news, short) }
            #expect(page.publications.isEmpty && page.top == given[1] && page.remaining == nil)
            #expect(try await rig.read(news, short, since: given[1]).isContinuous)
            #expect(try await !rig.read(news, short, since: given[0]).isContinuous)
            let next = await Self.fill(rig, news, 1, settings, from: 10)
            #expect(next == [Position(epoch: given[1].epoch, offset: 3)])
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func whatIsKeptSaysForHowLong(_ kind: ContractRig.Kind) async throws {
        let (news, settings) = (news, settings)
        try await ContractRig.with(kind) { rig in
            _ = await Self.fill(rig, news, 1, settings)
            let remaining = try #require(try await rig.read(news, settings).remaining)
            #expect((1...3_600_000).contains(remaining))
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func aPositionThatIsThereIsNotDisowned(_ kind: ContractRig.Kind) async throws {
        let (news, settings) = (news, settings)
        try await ContractRig.with(kind) { rig in
            let given = await Self.fill(rig, news, 2, settings)
            if case .failure(let refusal) = await rig.markLost(given[1], in: news) { Issue.record("\(refusal)") }
            let page = try await rig.read(news, settings, since: given[0])
            #expect(Self.texts(page) == ["2"] && page.isContinuous && page.top == given[1])
            #expect(await rig.reactor.perform { rig.recorder.losses } == [])
        }
    }

    /// What was kept is gone, the count goes on, and whoever comes back learns whether anything is missing.
    @Test(arguments: ContractRig.Kind.available)
    func removedHistoryIsGoneAndPositionsGoOn(_ kind: ContractRig.Kind) async throws {
        let (news, other, settings) = (news, other, settings)
        try await ContractRig.with(kind) { rig in
            let given = await Self.fill(rig, news, 5, settings)
            _ = await Self.fill(rig, other, 2, settings, from: 100)
            for _ in 0..<2 {
                if case .failure(let refusal) = await rig.remove(news) { Issue.record("\(refusal)") }
                let page = try await rig.read(news, settings)
                #expect(page.publications.isEmpty && page.top == given[4] && page.isContinuous)
            }
            #expect(try await rig.read(news, settings, since: given[4]).isContinuous)
            #expect(try await !rig.read(news, settings, since: given[3]).isContinuous)
            #expect(try await !rig.read(news, settings, since: given[3]).isFork)
            let next = await Self.fill(rig, news, 1, settings, from: 200)
            #expect(next.first?.epoch == given[4].epoch && next.first?.offset.follows(given[4].offset) == true)
            let after = try await rig.read(news, settings, since: given[4])
            #expect(Self.texts(after) == ["1"] && after.isContinuous)
            #expect(try await !rig.read(news, settings, since: given[2]).isContinuous)
            #expect(try await Self.texts(rig.read(other, settings)) == ["1", "2"])
            // A channel of which nothing is kept has nothing to lose.
            if case .failure(let refusal) = await rig.remove(ContractRig.channel("never")) {
                Issue.record("\(refusal)")
            }
            #expect(try await rig.read(ContractRig.channel("never"), settings).top.offset == 0)
        }
    }
}
