import Backplane
import Codec
import Reactor
import Testing

@Suite struct MemoryHistoryTests {
    static let channel = ChannelName(trusted: Array("a".utf8))
    static let settings = HistorySettings(size: 10, timeToLive: 60_000)

    static func at(_ seconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: (1000 + seconds) * 1_000_000_000) }

    static func publication(_ text: String, channel: ChannelName = channel) -> Publication {
        Publication(channel: channel, kind: .text, payload: Array(text.utf8), origin: NodeID(1))
    }

    static func texts(_ page: HistoryPage) -> [String] {
        page.publications.map { String(decoding: $0.payload, as: UTF8.self) }
    }

    static func query(_ since: Position? = nil, limit: Int = 100, isReverse: Bool = false) -> HistoryQuery {
        HistoryQuery(channel: channel, settings: settings, since: since, limit: limit, isReverse: isReverse)
    }

    @Test func keepsTheNewest() {
        var history = MemoryHistory()
        for number in 1...25 {
            let placed = history.append(Self.publication("\(number)"), Self.settings, now: Self.at(0), epoch: 7)
            #expect(placed.position == Position(epoch: 7, offset: UInt64(number)))
        }
        let all = history.page(Self.query(), now: Self.at(1), epoch: 9)
        #expect(Self.texts(all) == (16...25).map { "\($0)" } && all.top == Position(epoch: 7, offset: 25))
        check(history.page(Self.query(Position(epoch: 7, offset: 15)), now: Self.at(1), epoch: 9).isContinuous)
        check(!history.page(Self.query(Position(epoch: 7, offset: 14)), now: Self.at(1), epoch: 9).isContinuous)
        check(!history.page(Self.query(Position(epoch: 8, offset: 20)), now: Self.at(1), epoch: 9).isContinuous)
        check(!history.page(Self.query(Position(epoch: 7, offset: 26)), now: Self.at(1), epoch: 9).isContinuous)
        check(history.page(Self.query(Position(epoch: 7, offset: 25)), now: Self.at(1), epoch: 9).isContinuous)
    }

    @Test func forgetsInTimeButNotWhereItWas() {
        var history = MemoryHistory()
        _ = history.append(Self.publication("1"), Self.settings, now: Self.at(0), epoch: 7)
        check(Self.texts(history.page(Self.query(), now: Self.at(59), epoch: 9)) == ["1"])
        check(Self.texts(history.page(Self.query(), now: Self.at(60), epoch: 9)) == [])
        check(history.bytes == 0)
        let next = history.append(Self.publication("2"), Self.settings, now: Self.at(61), epoch: 9)
        #expect(next.position == Position(epoch: 7, offset: 2))
        // Nobody uses it for an hour, and nobody is subscribed: then it begins anew.
        history.sweep(now: Self.at(10_000)) { _ in true }
        check(history.page(Self.query(limit: 0), now: Self.at(10_000), epoch: 9).top == Position(epoch: 7, offset: 2))
        history.sweep(now: Self.at(10_000)) { _ in false }
        check(history.page(Self.query(limit: 0), now: Self.at(10_000), epoch: 9).top == Position(epoch: 9, offset: 0))
    }

    @Test func aPositionThatWasToldHolds() {
        var history = MemoryHistory()
        let top = history.page(Self.query(limit: 0), now: Self.at(0), epoch: 5).top
        #expect(top == Position(epoch: 5, offset: 0))
        let first = history.append(Self.publication("1"), Self.settings, now: Self.at(1), epoch: 6)
        #expect(first.position == Position(epoch: 5, offset: 1))
    }

    @Test func allTogetherAreBounded() {
        var history = MemoryHistory(maximumBytes: 10_000)
        let text = String(repeating: "x", count: 1000)
        for number in 1...50 {
            let channel = ChannelName(trusted: Array("c\(number)".utf8))
            _ = history.append(
                Self.publication(text, channel: channel), Self.settings, now: Self.at(UInt64(number)), epoch: 1)
            check(history.bytes <= 10_000)
        }
        #expect(history.evicted > 0)
        let newest = HistoryQuery(
            channel: ChannelName(trusted: Array("c50".utf8)), settings: Self.settings, limit: 1)
        check(history.page(newest, now: Self.at(51), epoch: 2).publications.count == 1)
    }

    @Test func keysAreRememberedForAWhile() {
        var history = MemoryHistory()
        let position = Position(epoch: 1, offset: 2)
        history.remember(Array("k".utf8), in: Self.channel, as: position, now: Self.at(0))
        history.remember(Array("n".utf8), in: Self.channel, as: nil, now: Self.at(0))
        #expect(history.position(of: Array("k".utf8), in: Self.channel, now: Self.at(299)) == .some(position))
        #expect(history.position(of: Array("n".utf8), in: Self.channel, now: Self.at(299)) == .some(nil))
        #expect(history.position(of: Array("k".utf8), in: Self.channel, now: Self.at(300)) == nil)
        #expect(history.position(of: Array("x".utf8), in: Self.channel, now: Self.at(0)) == nil)
    }
}
