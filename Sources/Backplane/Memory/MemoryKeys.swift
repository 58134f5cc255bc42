package import Codec
package import Reactor

/// Idempotency keys that were used lately, and what became of their publications. Pure.
///
/// All are remembered for the same time, so the oldest is always the first to go and nothing has to be searched.
package struct MemoryKeys {
    private struct Key: Hashable {
        let channel: ChannelName
        let key: [UInt8]
    }

    private var known: [Key: (position: Position?, until: MonotonicTime)] = [:]
    /// In the order in which they are forgotten.
    private var order = Fifo<(key: Key, until: MonotonicTime)>()
    /// Keys forgotten before their time, because there were too many.
    package private(set) var forgotten: UInt64 = 0

    /// How long a publication's idempotency key is remembered.
    package static let lifetime: Duration = .seconds(300)
    /// Keys remembered at the most.
    package static let maximum = 100_000

    package init() {}

    package var count: Int { known.count }

    /// The outcome of an earlier publication with the same key.
    package func position(of key: [UInt8], in channel: ChannelName, now: MonotonicTime) -> Position?? {
        guard let found = known[Key(channel: channel, key: key)], found.until > now else { return nil }
        return .some(found.position)
    }

    package mutating func remember(
        _ key: [UInt8], in channel: ChannelName, as position: Position?, now: MonotonicTime
    ) {
        expire(now: now)
        let key = Key(channel: channel, key: key)
        guard known[key] == nil else { return }
        if known.count >= Self.maximum {
            forgotten &+= 1
            forgetOldest()
        }
        let until = now + Self.lifetime
        known[key] = (position, until)
        order.append((key, until))
    }

    package mutating func expire(now: MonotonicTime) {
        while let oldest = order.first, oldest.until <= now { forgetOldest() }
    }

    private mutating func forgetOldest() {
        if let oldest = order.next() { known[oldest.key] = nil }
    }
}
