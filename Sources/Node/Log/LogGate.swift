package import Reactor

/// Lets so many lines a second through of each place that logs, and counts the others: whoever makes a node complain
/// cannot fill its disk, and one complaint does not drown the others.
package struct LogGate {
    package enum Decision: Equatable {
        case write
        /// After so many that were left out.
        case writeAfter(leftOut: UInt64)
        case leaveOut
    }

    /// Lines of one place at once, and then a second.
    package static let burst = 100.0
    package static let rate = 10.0

    private struct CallSite {
        var tokens = LogGate.burst
        var at: MonotonicTime
        var leftOut: UInt64 = 0
    }

    /// By file and line of the source, so there are no more than the program has.
    private var callSites: [String: CallSite] = [:]
    /// Lines left out since the start.
    package private(set) var leftOut: UInt64 = 0

    package init() {}

    package mutating func decide(_ callSite: String, now: MonotonicTime) -> Decision {
        var state = callSites[callSite] ?? CallSite(at: now)
        let seconds = Double(now.nanoseconds &- state.at.nanoseconds) / 1e9
        state.tokens = min(Self.burst, state.tokens + max(0, seconds) * Self.rate)
        state.at = now
        defer { callSites[callSite] = state }
        guard state.tokens >= 1 else {
            state.leftOut += 1
            leftOut += 1
            return .leaveOut
        }
        state.tokens -= 1
        guard state.leftOut > 0 else { return .write }
        defer { state.leftOut = 0 }
        return .writeAfter(leftOut: state.leftOut)
    }
}
