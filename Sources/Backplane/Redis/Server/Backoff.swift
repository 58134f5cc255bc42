/// How long to wait before the next attempt: doubling, each time a random part of it, so that the nodes of a cluster do not
/// come back in step.
///
/// A server that is not there costs nothing to look for, and is to be found within a second after it is back. One that is
/// there and sends us away (a wrong password, too many clients) has work with each attempt, so that one waits longer.
package struct Backoff {
    package enum Loss {
        /// Nobody answered, or who had answered is gone.
        case unreachable
        /// Redis answered, and what it said was no good.
        case refused
    }

    package static let first: Duration = .milliseconds(50)
    /// With one's own beat to come back after it, that is less than a second in all.
    package static let mostUnreachable: Duration = .milliseconds(750)
    /// Two connections of a node make one attempt a second on average.
    package static let mostRefused: Duration = .seconds(3)

    private var attempts = 0

    package init() {}

    package mutating func next(after loss: Loss, using random: inout some RandomNumberGenerator) -> Duration {
        let ceiling = Self.first * (1 << min(attempts, 10))
        attempts += 1
        switch loss {
        case .unreachable: return min(Self.mostUnreachable, ceiling) * Double.random(in: 0.1...1, using: &random)
        case .refused: return min(Self.mostRefused, ceiling) * Double.random(in: 0.35...1, using: &random)
        }
    }

    /// It worked.
    package mutating func reset() { attempts = 0 }
}
