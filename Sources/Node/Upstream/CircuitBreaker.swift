/// Keeps calls away from an endpoint that does not answer: after some failures in a row it is left alone for a while, and then one
/// call tries whether it is back. Reads no clock.
struct CircuitBreaker: Equatable, Sendable {
    struct Settings: Equatable, Sendable {
        /// Failures in a row that open the circuit; 0 for never.
        var failures = 10
        /// How long the endpoint is left alone, in nanoseconds.
        var pause: UInt64 = 5_000_000_000
    }

    private enum State: Equatable {
        /// Calls go through; so many failed in a row.
        case closed(failures: Int)
        /// Until then none goes through, in nanoseconds of any clock.
        case open(until: UInt64)
        /// One call is under way that decides.
        case trying
    }

    private var state = State.closed(failures: 0)

    var isOpen: Bool { if case .closed = state { false } else { true } }

    /// Whether a call may go through now. A caller that gets true has to say what became of it.
    mutating func mayCall(now: UInt64) -> Bool {
        switch state {
        case .closed: return true
        case .trying: return false
        case .open(let until):
            guard now >= until else { return false }
            state = .trying
            return true
        }
    }

    /// - Returns: Whether the endpoint is back.
    mutating func succeeded() -> Bool {
        defer { state = .closed(failures: 0) }
        return isOpen
    }

    /// - Returns: Whether the endpoint is left alone from now on, and was not before.
    mutating func failed(_ settings: Settings, now: UInt64) -> Bool {
        switch state {
        case .closed(let failures):
            guard settings.failures > 0, failures + 1 >= settings.failures else {
                state = .closed(failures: min(failures, 1 << 20) + 1)
                return false
            }
            state = .open(until: now &+ settings.pause)
            return true
        case .trying:
            state = .open(until: now &+ settings.pause)
            return false
        // Of a call that began before.
        case .open: return false
        }
    }
}
