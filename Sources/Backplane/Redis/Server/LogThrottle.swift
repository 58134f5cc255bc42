package import Reactor

/// What happens again and again is said once a minute. Pure.
package struct LogThrottle {
    package enum Subject: Hashable, Sendable {
        /// Redis does not allow a channel.
        case refusedSubscription
        /// Redis refuses what the node does every second.
        case refusedBeat
        /// Redis has a history that no node wrote.
        case invalidHistory
        /// A node of another version cannot hear this one.
        case otherLayout
        /// A node divides the channels in another way than this one.
        case otherDivision
        /// No sentinel can be asked.
        case silentSentinels
    }

    /// How often the same is said.
    package static let interval: Duration = .seconds(60)

    private var said: [Subject: MonotonicTime] = [:]

    package init() {}

    /// Whether it is to be said now.
    package mutating func isDue(_ subject: Subject, now: MonotonicTime) -> Bool {
        if let last = said[subject], now - last < Self.interval { return false }
        said[subject] = now
        return true
    }
}
