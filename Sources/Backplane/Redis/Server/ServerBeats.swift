package import Reactor

/// The beats this node sent to one server, and those that came back. Pure.
package struct ServerBeats {
    /// Without an own beat for this long the node counts as isolated.
    package static let patience: Duration = .seconds(3)
    /// Beats that may be under way; more are never answered.
    private static let underWay = 60

    package private(set) var sequence: UInt64 = 0
    /// When those that have not come back were sent.
    private var sent: [UInt64: MonotonicTime] = [:]
    /// The last one that came back.
    package private(set) var lastReturned: UInt64 = 0
    /// When the last one came back over the present subscriber connection.
    package private(set) var heardAt: MonotonicTime?

    package init() {}

    /// - Returns: The number of the next beat.
    package mutating func send(now: MonotonicTime) -> UInt64 {
        sequence &+= 1
        if sent.count > Self.underWay { sent = [:] }
        sent[sequence] = now
        return sequence
    }

    /// One came back.
    ///
    /// - Returns: How long that took, in microseconds; nil when it is none of those that were sent lately.
    package mutating func returned(_ number: UInt64, now: MonotonicTime) -> UInt64? {
        guard let at = sent.removeValue(forKey: number) else { return nil }
        heardAt = now
        lastReturned = max(lastReturned, number)
        return (now.nanoseconds &- at.nanoseconds) / 1000
    }

    /// The command connection is gone, and what was sent on it with it.
    package mutating func commandsLost() { sent = [:] }
    /// What was heard came over another connection.
    package mutating func subscriberChanged() { heardAt = nil }

    /// Whether what is published comes back.
    package func isHeard(now: MonotonicTime) -> Bool { heardAt.map { now - $0 <= Self.patience } ?? false }
}
