import Codec
import Reactor
import Testing

@testable import Backplane

private func at(_ milliseconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

@Suite struct PublishBufferTests {
    private func publication(_ bytes: Int) -> Publication {
        Publication(
            channel: ChannelName(trusted: [97]), kind: .binary, payload: .init(repeating: 0, count: bytes),
            origin: NodeID(1))
    }

    @Test func boundsBytesAndTime() {
        var buffer = PublishBuffer(wait: .seconds(5), maximumBytes: 2000)
        check(buffer.append(publication(500), .waiter(1), now: at(0)))
        check(buffer.append(publication(500), .waiter(2), now: at(1000)))
        check(!buffer.append(publication(1000), .waiter(3), now: at(1000)))
        check(buffer.expired(now: at(4999)).isEmpty)
        check(buffer.expired(now: at(5000)).map(\.ticket) == [.waiter(1)])
        check(buffer.append(publication(500), .waiter(4), now: at(5000)))
        check(buffer.takeAll().map(\.ticket) == [.waiter(2), .waiter(4)])
        check(buffer.count == 0 && buffer.bytes == 0)
    }

    private func waiting(_ number: UInt64) -> PublishBuffer.Waiting {
        PublishBuffer.Waiting(publication: publication(10), history: nil, ticket: .waiter(number))
    }

    private func add(_ number: UInt64, to buffer: inout PublishBuffer, now: MonotonicTime) -> Bool {
        buffer.append(publication(10), .waiter(number), now: now)
    }

    @Test func whatWasSentBeforeGoesBeforeWhatWaits() {
        var buffer = PublishBuffer(wait: .seconds(5), maximumBytes: 10_000)
        #expect(add(3, to: &buffer, now: at(1000)) && add(4, to: &buffer, now: at(2000)))
        #expect(buffer.putBack([waiting(1), waiting(2)], now: at(3000)).isEmpty)
        #expect(buffer.count == 4 && buffer.bytes == 4 * 266)
        // It does not make the others wait longer than they may.
        #expect(buffer.expired(now: at(5999)).isEmpty)
        #expect(buffer.expired(now: at(6000)).map(\.ticket) == [.waiter(1), .waiter(2), .waiter(3)])
        #expect(buffer.takeAll().map(\.ticket) == [.waiter(4)] && buffer.bytes == 0)
    }

    @Test func whatIsPutBackBesideWhatHasGoneAlready() {
        var buffer = PublishBuffer(wait: .seconds(1), maximumBytes: 10_000)
        for number in 1...3 as ClosedRange<UInt64> { #expect(add(number, to: &buffer, now: at(number * 1000))) }
        #expect(buffer.expired(now: at(2000)).map(\.ticket) == [.waiter(1)])
        #expect(buffer.putBack([waiting(9)], now: at(2500)).isEmpty)
        #expect(buffer.takeAll().map(\.ticket) == [.waiter(9), .waiter(2), .waiter(3)])
    }

    @Test func whatDoesNotFitIsGivenBack() {
        var buffer = PublishBuffer(wait: .seconds(5), maximumBytes: 600)
        #expect(add(5, to: &buffer, now: at(0)))
        let left = buffer.putBack([waiting(1), waiting(2), waiting(3)], now: at(0))
        #expect(left.map(\.ticket) == [.waiter(2), .waiter(3)])
        #expect(buffer.takeAll().map(\.ticket) == [.waiter(1), .waiter(5)])
    }
}
