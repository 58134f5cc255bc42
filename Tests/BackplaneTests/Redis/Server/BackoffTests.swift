import Backplane
import Testing

@Suite struct BackoffTests {
    /// What is waited before each attempt: the shortest and the longest of many.
    private func waits(_ loss: Backoff.Loss, attempts: Int = 12) -> [(least: Duration, most: Duration)] {
        var random = SystemRandomNumberGenerator()
        let many = (0..<500).map { _ in
            var backoff = Backoff()
            return (0..<attempts).map { _ in backoff.next(after: loss, using: &random) }
        }
        return (0..<attempts).map { attempt in
            let of = many.map { $0[attempt] }
            return (of.min()!, of.max()!)
        }
    }

    @Test func whoIsAwayIsFoundWithinASecond() {
        let waits = waits(.unreachable)
        #expect(waits.allSatisfy { $0.least >= .milliseconds(5) && $0.most <= Backoff.mostUnreachable })
        #expect(waits[0].most <= Backoff.first && waits.last!.most > Backoff.mostUnreachable / 2)
        // They do not come back in step.
        #expect(waits.last!.least < waits.last!.most / 3)
    }

    @Test func whoSendsUsAwayIsLeftAloneForLonger() {
        let waits = waits(.refused)
        #expect(waits[0].most <= Backoff.first)
        #expect(waits.last!.least >= .seconds(1) && waits.last!.most <= Backoff.mostRefused)
    }

    @Test func itBeginsAnewAfterSuccess() {
        var backoff = Backoff()
        var random = SystemRandomNumberGenerator()
        for _ in 0..<8 { _ = backoff.next(after: .refused, using: &random) }
        backoff.reset()
        #expect(backoff.next(after: .refused, using: &random) <= Backoff.first)
    }
}
