package import Reactor

/// How many publications a channel gets in a second on one reactor.
///
/// Every publication has a number already, so a delivery costs nothing for this: whoever wants to know looks at the number once a
/// second, and the rate is the difference.
package struct ChannelRate {
    private enum Known {
        /// It was not looked at since it is there.
        case young
        /// It was looked at once, after a long time in which nobody did.
        case unknown
        case known(Float)
    }

    private var sequence: UInt64
    private var lookedAt: MonotonicTime
    private var known = Known.young

    /// Two looks within this time are one.
    package static let least: Duration = .milliseconds(200)
    /// What was seen earlier than this says nothing about now.
    package static let most: Duration = .seconds(5)

    package init(sequence: UInt64, now: MonotonicTime) {
        self.sequence = sequence
        lookedAt = now
    }

    /// - Parameter next: The number that the next publication will get.
    package mutating func look(_ next: UInt64, now: MonotonicTime) {
        let elapsed = now - lookedAt
        guard elapsed >= Self.least else { return }
        known = elapsed <= Self.most ? .known(Float(Self.rate(next &- sequence, in: elapsed))) : .unknown
        sequence = next
        lookedAt = now
    }

    /// Publications a second; nil when it is not known.
    package func value(_ next: UInt64, now: MonotonicTime) -> Double? {
        let elapsed = now - lookedAt
        guard elapsed <= Self.most else { return nil }
        switch known {
        case .known(let rate): return Double(rate)
        case .unknown: return nil
        // One that came just now is not shown with a rate that it never had.
        case .young: return Self.rate(next &- sequence, in: max(elapsed, .seconds(1)))
        }
    }

    private static func rate(_ publications: UInt64, in elapsed: Duration) -> Double {
        Double(publications) / (Double(elapsed.wholeNanoseconds) / 1e9)
    }
}

extension ShardChannel {
    /// Publications a second; nil when nobody looked lately.
    func publicationsPerSecond(now: MonotonicTime) -> Double? { rate.value(nextSequence, now: now) }
}
