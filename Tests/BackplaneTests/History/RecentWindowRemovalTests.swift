import Codec
import Testing

@testable import Backplane

/// What is handed out from memory after history was removed: nothing that it had.
@Suite struct RecentWindowRemovalTests {
    private func publication(_ offset: UInt64) -> Publication {
        Publication(
            channel: ChannelName(trusted: Array("a".utf8)), kind: .text, payload: Array("\(offset)".utf8),
            origin: NodeID(1), position: position(offset))
    }

    private func position(_ offset: UInt64) -> Position { Position(epoch: 7, offset: Offset(clamping: offset)) }

    private func texts(_ publications: [Publication]?) -> [String]? {
        publications?.map { String(decoding: $0.payload, as: UTF8.self) }
    }

    @Test func nothingOfItIsHandedOut() {
        var window = RecentWindow()
        for offset in 1...10 as ClosedRange<UInt64> { window.append(publication(offset)) }
        window.remove(upTo: 7)
        #expect(window.count == 3)
        #expect(texts(window.since(position(7), top: position(10))) == ["8", "9", "10"])
        #expect(window.since(position(6), top: position(10)) == nil)
        #expect(window.newest(4, top: position(10)) == nil)
        window.remove(upTo: 10)
        #expect(window.count == 0 && window.last == nil)
        #expect(texts(window.since(position(10), top: position(10))) == [])
        #expect(window.since(position(9), top: position(10)) == nil)
        window.append(publication(11))
        #expect(texts(window.since(position(10), top: position(11))) == ["11"])
        #expect(window.since(position(9), top: position(11)) == nil)
    }

    /// What was read before history was removed, and arrives afterwards.
    @Test func whatWasBeingReadIsNotHandedOutEither() {
        var window = RecentWindow()
        window.remove(upTo: 5)
        window.prepend((1...5 as ClosedRange<UInt64>).map(publication), top: position(5))
        #expect(window.count == 0)
        window.append(publication(5))
        #expect(window.count == 0)
        window.append(publication(6))
        window.prepend((1...5 as ClosedRange<UInt64>).map(publication), top: position(6))
        #expect(texts(window.newest(1, top: position(6))) == ["6"] && window.newest(2, top: position(6)) == nil)
        // An earlier removal does not bring anything back.
        window.remove(upTo: 2)
        window.prepend((1...5 as ClosedRange<UInt64>).map(publication), top: position(6))
        #expect(window.newest(2, top: position(6)) == nil)
    }
}
