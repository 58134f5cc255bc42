/// How often something may happen: so often a second on average, and so many times at once.
package struct RateLimit: Equatable, Sendable {
    /// 0 is no limit.
    package let perSecond: Int
    package let burst: Int
    /// Nanoseconds between two when it happens as often as it may all the time.
    let interval: UInt64
    /// Nanoseconds that the next may come early.
    let tolerance: UInt64

    package static let unlimited = RateLimit(perSecond: 0, burst: 0)

    package init(perSecond: Int, burst: Int) {
        self.perSecond = perSecond
        self.burst = burst
        interval = perSecond > 0 ? 1_000_000_000 / UInt64(perSecond) : 0
        tolerance = interval * UInt64(max(0, burst - 1))
    }

    package var isUnlimited: Bool { perSecond == 0 }
}

/// A token bucket in 8 bytes: the moment at which the next would be exactly in time ("virtual scheduling", the generic
/// cell rate algorithm of ITU-T I.371). Nothing has to be filled up by a timer.
package struct TokenBucket {
    /// Nanoseconds of the clock that `now` is from.
    private var expected: UInt64 = 0

    package init() {}

    /// - Parameter cost: How many it counts for. One that counts for more than the burst is taken when the bucket is full.
    /// - Returns: Whether it may happen now. When it may not, nothing is taken.
    package mutating func take(_ limit: RateLimit, cost: UInt64 = 1, now: UInt64) -> Bool {
        guard !limit.isUnlimited else { return true }
        let more = limit.interval &* (cost &- 1)
        guard expected &+ min(more, limit.tolerance) <= now &+ limit.tolerance || expected <= now else { return false }
        expected = max(expected, now) &+ limit.interval &+ more
        return true
    }

    /// How many nanoseconds to wait until it may happen; 0 when it may now.
    package func wait(_ limit: RateLimit, now: UInt64) -> UInt64 {
        let due = now &+ limit.tolerance
        return limit.isUnlimited || expected <= due ? 0 : expected &- due
    }

    /// Takes one in any case, on credit if need be.
    ///
    /// - Returns: How many nanoseconds to wait until the debt is paid; 0 when there is none.
    package mutating func charge(_ limit: RateLimit, cost: UInt64 = 1, now: UInt64) -> UInt64 {
        guard !limit.isUnlimited else { return 0 }
        expected = max(expected, now) &+ limit.interval &* cost
        return debt(limit, now: now)
    }

    /// How many nanoseconds to wait until nothing is owed.
    package func debt(_ limit: RateLimit, now: UInt64) -> UInt64 {
        let due = now &+ limit.tolerance &+ limit.interval
        return expected > due ? expected &- due : 0
    }
}
