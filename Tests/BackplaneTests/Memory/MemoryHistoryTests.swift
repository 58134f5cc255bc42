import Codec
import Reactor
import Testing

@testable import Backplane

@Suite struct MemoryHistoryTests {
    static let channel = ChannelName(trusted: Array("a".utf8))
    static let settings = HistorySettings(size: 10, timeToLive: 60_000)

    static func at(_ seconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: (1000 + seconds) * 1_000_000_000) }

    static func name(_ number: Int) -> ChannelName { ChannelName(trusted: Array("c\(number)".utf8)) }

    static func publication(_ text: String, channel: ChannelName = channel) -> Publication {
        Publication(channel: channel, kind: .text, payload: Array(text.utf8), origin: NodeID(1))
    }

    static func texts(_ page: HistoryPage) -> [String] {
        page.publications.map { String(decoding: $0.payload, as: UTF8.self) }
    }

    static func query(
        _ since: Position? = nil, limit: Int = 100, bytes: Int = HistoryQuery.pageBytes, isReverse: Bool = false,
        channel: ChannelName = channel
    ) -> HistoryQuery {
        HistoryQuery(
            channel: channel, settings: settings, since: since, limit: limit, bytes: bytes, isReverse: isReverse)
    }

    @Test func keepsTheNewest() {
        var history = MemoryHistory(random: 14)
        for number in 1...25 {
            let placed = history.append(Self.publication("\(number)"), Self.settings, now: Self.at(0))
            #expect(placed.position == Position(epoch: 7, offset: Offset(clamping: number)))
        }
        let all = history.page(Self.query(), now: Self.at(1))
        #expect(Self.texts(all) == (16...25).map { "\($0)" } && all.top == Position(epoch: 7, offset: 25))
        check(history.page(Self.query(Position(epoch: 7, offset: 15)), now: Self.at(1)).isContinuous)
        check(!history.page(Self.query(Position(epoch: 7, offset: 14)), now: Self.at(1)).isContinuous)
        check(!history.page(Self.query(Position(epoch: 8, offset: 20)), now: Self.at(1)).isContinuous)
        check(!history.page(Self.query(Position(epoch: 7, offset: 26)), now: Self.at(1)).isContinuous)
        check(history.page(Self.query(Position(epoch: 7, offset: 25)), now: Self.at(1)).isContinuous)
        check(!history.page(Self.query(Position(epoch: 7, offset: .max)), now: Self.at(1)).isContinuous)
    }

    @Test func forgetsInTimeButNotWhereItWas() {
        var history = MemoryHistory(random: 14)
        _ = history.append(Self.publication("1"), Self.settings, now: Self.at(0))
        check(Self.texts(history.page(Self.query(), now: Self.at(59))) == ["1"])
        check(Self.texts(history.page(Self.query(), now: Self.at(60))) == [])
        check(history.bytes == 0)
        let next = history.append(Self.publication("2"), Self.settings, now: Self.at(61))
        #expect(next.position == Position(epoch: 7, offset: 2))
        // Nobody uses it for an hour, and nobody is subscribed: then it begins anew.
        history.sweep(now: Self.at(10_000)) { _ in true }
        check(history.page(Self.query(limit: 0), now: Self.at(10_000)).top == Position(epoch: 7, offset: 2))
        history.sweep(now: Self.at(10_000)) { _ in false }
        check(history.page(Self.query(limit: 0), now: Self.at(10_000)).top == Position(epoch: 8, offset: 0))
        check(history.channels == 0)
    }

    /// What is told of a channel without publications holds until one of its own is forgotten.
    @Test func aPositionThatWasToldHolds() {
        var history = MemoryHistory(random: 10)
        let top = history.page(Self.query(limit: 0), now: Self.at(0)).top
        #expect(top == Position(epoch: 5, offset: 0))
        // Another channel comes and goes meanwhile.
        _ = history.append(Self.publication("x", channel: Self.name(1)), Self.settings, now: Self.at(0))
        history.sweep(now: Self.at(10_000)) { _ in false }
        check(history.page(Self.query(top), now: Self.at(10_000)).isContinuous)
        for number in 1...3 {
            _ = history.append(Self.publication("\(number)"), Self.settings, now: Self.at(10_000))
        }
        check(Self.texts(history.page(Self.query(top), now: Self.at(10_001))) == ["1", "2", "3"])
        // Whoever was subscribed all the time counts on from what it was told.
        let later = Position(epoch: top.epoch, offset: 2)
        check(Self.texts(history.page(Self.query(later), now: Self.at(10_001))) == ["3"])
        check(!history.page(Self.query(Position(epoch: top.epoch, offset: 4)), now: Self.at(10_001)).isContinuous)
        history.sweep(now: Self.at(30_000)) { _ in false }
        check(!history.page(Self.query(top), now: Self.at(30_000)).isContinuous)
        check(!history.page(Self.query(later), now: Self.at(30_000)).isContinuous)
        _ = history.append(Self.publication("4"), Self.settings, now: Self.at(30_000))
        check(!history.page(Self.query(top), now: Self.at(30_000)).isContinuous)
        check(!history.page(Self.query(Position(epoch: top.epoch, offset: 1)), now: Self.at(30_000)).isContinuous)
    }

    @Test func readingCreatesNothing() {
        var history = MemoryHistory(random: 1)
        for number in 0..<10_000 {
            let page = history.page(Self.query(limit: number % 2, channel: Self.name(number)), now: Self.at(0))
            check(page.isContinuous && page.top.offset == .zero && page.publications.isEmpty && page.next == nil)
        }
        check(history.channels == 0)
    }

    @Test func allTogetherAreBounded() {
        var history = MemoryHistory(random: 1, maximumBytes: 100_000)
        let text = String(repeating: "x", count: 1000)
        for number in 1...500 {
            _ = history.append(
                Self.publication(text, channel: Self.name(number)), Self.settings, now: Self.at(UInt64(number)))
            check(history.bytes + history.channels * MemoryStream.overhead <= 100_000)
        }
        #expect(history.evicted > 0)
        check(history.page(Self.query(limit: 1, channel: Self.name(500)), now: Self.at(501)).publications.count == 1)
        // Names alone count too.
        for number in 501...5000 {
            _ = history.append(Self.publication("", channel: Self.name(number)), Self.settings, now: Self.at(600))
        }
        check(history.bytes + history.channels * MemoryStream.overhead <= 100_000)
    }

    /// The channels that were quiet for longest are given up, and nothing has to be sorted for that.
    @Test func theQuietestIsGivenUpFirst() {
        var history = MemoryHistory(random: 1, maximumBytes: 20_000)
        let text = String(repeating: "x", count: 1000)
        for number in 1...11 {
            _ = history.append(Self.publication(text, channel: Self.name(number)), Self.settings, now: Self.at(0))
        }
        _ = history.append(Self.publication(text, channel: Self.name(1)), Self.settings, now: Self.at(1))
        for number in 12...14 {
            _ = history.append(Self.publication(text, channel: Self.name(number)), Self.settings, now: Self.at(2))
        }
        check(history.page(Self.query(channel: Self.name(1)), now: Self.at(2)).publications.count == 2)
        check(history.page(Self.query(channel: Self.name(2)), now: Self.at(2)).publications.isEmpty)
        check(history.page(Self.query(channel: Self.name(14)), now: Self.at(2)).publications.count == 1)
    }

    @Test func aSweepIsBounded() {
        var history = MemoryHistory(random: 1)
        for number in 0..<10_000 {
            _ = history.append(Self.publication("", channel: Self.name(number)), Self.settings, now: Self.at(0))
        }
        history.sweep(now: Self.at(10_000), limit: 1000) { _ in false }
        check(history.channels == 9000)
        for _ in 0..<9 { history.sweep(now: Self.at(10_000), limit: 1000) { _ in false } }
        check(history.channels == 0 && history.bytes == 0)
    }

    @Test func keysAreRememberedForAWhile() {
        var keys = MemoryKeys()
        let position = Position(epoch: 1, offset: 2)
        keys.remember(Array("k".utf8), in: Self.channel, as: position, now: Self.at(0))
        keys.remember(Array("n".utf8), in: Self.channel, as: nil, now: Self.at(0))
        #expect(keys.position(of: Array("k".utf8), in: Self.channel, now: Self.at(299)) == .some(position))
        #expect(keys.position(of: Array("n".utf8), in: Self.channel, now: Self.at(299)) == .some(nil))
        #expect(keys.position(of: Array("k".utf8), in: Self.channel, now: Self.at(300)) == nil)
        #expect(keys.position(of: Array("x".utf8), in: Self.channel, now: Self.at(0)) == nil)
        keys.expire(now: Self.at(300))
        #expect(keys.count == 0)
    }

    @Test func tooManyKeysCostTheOldest() {
        var keys = MemoryKeys()
        for number in 0..<(MemoryKeys.maximum + 10) {
            keys.remember(Array("\(number)".utf8), in: Self.channel, as: nil, now: Self.at(0))
        }
        #expect(keys.count == MemoryKeys.maximum && keys.forgotten == 10)
        #expect(keys.position(of: Array("9".utf8), in: Self.channel, now: Self.at(1)) == nil)
        #expect(keys.position(of: Array("10".utf8), in: Self.channel, now: Self.at(1)) == .some(nil))
    }
}

@Suite struct RecencyListTests {
    /// Beside the plainest model of it.
    @Test func keepsTheOrderOfTheLastUse() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            var list = RecencyList()
            var model: [Int] = []
            for _ in 0..<300 {
                let slot = Int.random(in: 0..<20, using: &random)
                if Int.random(in: 0..<3, using: &random) == 0 {
                    list.remove(slot)
                    model.removeAll { $0 == slot }
                } else {
                    list.use(slot)
                    model.removeAll { $0 == slot }
                    model.append(slot)
                }
                check(list.oldest == model.first && list.newest == model.last && list.count == model.count)
                check(list.contains(slot) == model.contains(slot))
            }
            while let oldest = list.oldest {
                check(model.removeFirst() == oldest)
                list.remove(oldest)
            }
            check(model.isEmpty && list.newest == nil)
        }
    }
}
