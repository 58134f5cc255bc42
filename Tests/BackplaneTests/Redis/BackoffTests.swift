import Backplane
import Testing

@Suite struct BackoffTests {
    /// The longest and the shortest random part.
    private struct Fixed: RandomNumberGenerator {
        let value: UInt64
        mutating func next() -> UInt64 { value }
    }

    private func waits(_ loss: Backoff.Loss, _ value: UInt64, count: Int = 20) -> [Duration] {
        var backoff = Backoff()
        var random = Fixed(value: value)
        return (0..<count).map { _ in backoff.next(after: loss, using: &random) }
    }

    @Test func whoIsAwayIsFoundWithinASecond() {
        let longest = waits(.unreachable, .max)
        #expect(longest.allSatisfy { $0 <= Backoff.mostUnreachable } && longest.last! > .milliseconds(700))
        #expect(longest[0] <= Backoff.first && longest[0] > .milliseconds(45))
        #expect(waits(.unreachable, 0).allSatisfy { $0 >= .milliseconds(5) })
    }

    @Test func whoSendsUsAwayIsLeftAloneForLonger() {
        #expect(waits(.refused, 0).last! > .seconds(1))
        #expect(waits(.refused, .max).allSatisfy { $0 <= Backoff.mostRefused })
    }

    @Test func itBeginsAnewAfterSuccess() {
        var backoff = Backoff()
        var random = Fixed(value: .max)
        for _ in 0..<5 { _ = backoff.next(after: .unreachable, using: &random) }
        backoff.reset()
        #expect(backoff.next(after: .unreachable, using: &random) <= Backoff.first)
    }
}
