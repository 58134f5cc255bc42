/// How long a sender waits after a request that failed: doubling, and each time a random part of it, so that the queues of a cluster do
/// not come back in step. Pure.
package struct WebhookBackoff {
    package static let first: Duration = .milliseconds(500)
    package static let longest: Duration = .seconds(30)

    private var failures = 0

    package init() {}

    /// - Returns: Between half of what is due and all of it.
    package mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        let due = min(Self.longest, Self.first * (1 << min(failures, 10)))
        failures += 1
        return due * Double.random(in: 0.5...1, using: &random)
    }

    /// It worked.
    package mutating func reset() { failures = 0 }
}
