/// How long to wait before the next attempt: doubling from 50 ms to 2 s, each time a random part of it, so that the
/// nodes of a cluster do not come back in step ("full jitter").
package struct Backoff {
    package static let first: Duration = .milliseconds(50)
    package static let most: Duration = .seconds(2)

    private var attempts = 0

    package init() {}

    package mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        let ceiling = min(Self.most, Self.first * (1 << min(attempts, 10)))
        attempts += 1
        return ceiling * Double.random(in: 0.1...1, using: &random)
    }

    /// It worked.
    package mutating func reset() { attempts = 0 }
}
