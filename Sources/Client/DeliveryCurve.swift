package import Reactor

/// When deliveries came: how many in each hundredth of a second, on the clock that all processes share.
///
/// It looks at a count at the end of each turn, so a delivery costs nothing. What came in one turn has one time, that of its end.
package struct DeliveryCurve: Sendable {
    package struct Sample: Sendable, Equatable {
        /// Hundredths of a second of the monotonic clock.
        package let time: UInt64
        package let deliveries: UInt64

        package init(time: UInt64, deliveries: UInt64) {
            self.time = time
            self.deliveries = deliveries
        }
    }

    /// The width of a sample.
    package static let nanoseconds: UInt64 = 10_000_000

    private var samples: [Sample] = []
    private var total: UInt64 = 0

    package init() {}

    /// - Parameter deliveries: All that have come so far.
    package mutating func note(_ deliveries: UInt64) {
        if deliveries != total { note(deliveries, at: MonotonicTime.now()) }
    }

    package mutating func note(_ deliveries: UInt64, at now: MonotonicTime) {
        guard deliveries > total else { return }
        let time = now.nanoseconds / Self.nanoseconds
        var new = deliveries - total
        total = deliveries
        if let last = samples.last, last.time == time {
            new += last.deliveries
            samples.removeLast()
        }
        samples.append(Sample(time: time, deliveries: new))
    }

    /// What came since the last time, in order.
    package mutating func take() -> [Sample] {
        defer { samples = [] }
        return samples
    }
}
