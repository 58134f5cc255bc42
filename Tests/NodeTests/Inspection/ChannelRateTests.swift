import Reactor
import Testing

@testable import Node

@Suite struct ChannelRateTests {
    private static func at(_ milliseconds: Int64) -> MonotonicTime {
        MonotonicTime(nanoseconds: 1 << 40) + .milliseconds(milliseconds)
    }

    @Test func aNewChannelHasTheRateItHad() {
        let rate = ChannelRate(sequence: 10, now: Self.at(0))
        #expect(rate.value(10, now: Self.at(0)) == 0)
        // Not ten thousand a second after a millisecond.
        #expect(rate.value(20, now: Self.at(1)) == 10)
        #expect(rate.value(20, now: Self.at(2000)) == 5)
        #expect(rate.value(20, now: Self.at(5001)) == nil)
    }

    @Test func betweenTwoLooksItIsTheDifference() {
        var rate = ChannelRate(sequence: 0, now: Self.at(0))
        rate.look(100, now: Self.at(1000))
        #expect(rate.value(170, now: Self.at(1500)) == 100)
        rate.look(150, now: Self.at(2000))
        #expect(rate.value(150, now: Self.at(2000)) == 50)
        // Two looks at a time are one.
        rate.look(1000, now: Self.at(2100))
        #expect(rate.value(1000, now: Self.at(2100)) == 50)
    }

    @Test func whatWasLongAgoSaysNothing() {
        var rate = ChannelRate(sequence: 0, now: Self.at(0))
        rate.look(600_000, now: Self.at(600_000))
        #expect(rate.value(600_000, now: Self.at(600_000)) == nil)
        rate.look(600_010, now: Self.at(600_250))
        #expect(rate.value(600_010, now: Self.at(600_250)) == 40)
        #expect(rate.value(600_010, now: Self.at(606_000)) == nil)
    }

    @Test func numbersWrap() {
        var rate = ChannelRate(sequence: .max, now: Self.at(0))
        rate.look(9, now: Self.at(1000))
        #expect(rate.value(9, now: Self.at(1000)) == 10)
    }
}
