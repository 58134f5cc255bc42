import Synchronization
package import Reactor

/// How fast clients come in: against the storm after a restart, when everybody comes back at once.
///
/// One bucket for the node and not one for each reactor, because the system does not divide clients evenly, and not at
/// all on a unix socket; it costs one atomic operation a connect. Addresses have a bucket each.
package final class ConnectGate: Sendable {
    /// Who has to come back, and in how many nanoseconds at the earliest.
    package enum Refusal: Error, Equatable, Sendable {
        case node(wait: UInt64)
        case address(wait: UInt64)
    }

    // Of the node's own limit; a reload may change them while reactors ask.
    private let interval: Atomic<UInt64>
    private let tolerance: Atomic<UInt64>
    /// When the next client would be exactly in time.
    private let expected = Atomic<UInt64>(0)
    /// The same for those who were refused: each gets a turn of its own, so that they come back at the rate at which they
    /// can be let in.
    private let turns = Atomic<UInt64>(0)
    private let addresses: Mutex<AddressBuckets>
    private let countsAddresses: Atomic<Bool>

    package init(node: RateLimit, address: RateLimit, addresses most: Int = AddressBuckets.most) {
        interval = Atomic(node.interval)
        tolerance = Atomic(node.tolerance)
        countsAddresses = Atomic(!address.isUnlimited)
        addresses = Mutex(AddressBuckets(limit: address, most: most))
    }

    /// Takes other limits. Who is inside stays, and who came lately counts on.
    package func use(node: RateLimit, address: RateLimit) {
        interval.store(node.interval, ordering: .relaxed)
        tolerance.store(node.tolerance, ordering: .relaxed)
        addresses.withLock { $0.use(address) }
        countsAddresses.store(!address.isUnlimited, ordering: .relaxed)
    }

    /// Without an interval there is no limit.
    private var isUnlimited: Bool { interval.load(ordering: .relaxed) == 0 }

    /// A client wants to come in.
    ///
    /// - Parameter now: Nanoseconds of the monotonic clock.
    package func enter(_ address: SocketAddress?, now: UInt64) throws(Refusal) {
        guard isUnlimited || expected.load(ordering: .relaxed) <= now &+ tolerance.load(ordering: .relaxed) else {
            throw .node(wait: turn(now))
        }
        if countsAddresses.load(ordering: .relaxed), let key = AddressKey(address) {
            let wait = addresses.withLock { $0.take(key, now: now) }
            if wait > 0 { throw .address(wait: wait) }
        }
        guard isUnlimited || take(now) else { throw .node(wait: turn(now)) }
    }

    private func take(_ now: UInt64) -> Bool {
        let interval = interval.load(ordering: .relaxed)
        let due = now &+ tolerance.load(ordering: .relaxed)
        var known = expected.load(ordering: .relaxed)
        while known <= due {
            let (isDone, actual) = expected.weakCompareExchange(
                expected: known, desired: max(known, now) &+ interval, ordering: .relaxed)
            if isDone { return true }
            known = actual
        }
        return false
    }

    /// How far ahead turns are given, in nanoseconds.
    package static let longestWait: UInt64 = 60_000_000_000

    private func turn(_ now: UInt64) -> UInt64 {
        let interval = interval.load(ordering: .relaxed)
        var known = turns.load(ordering: .relaxed)
        while true {
            // Behind the last one turns are given from the beginning again.
            let start = known > now &+ Self.longestWait ? now : max(known, now)
            let (isDone, actual) = turns.weakCompareExchange(
                expected: known, desired: start &+ interval, ordering: .relaxed)
            if isDone { return start &+ interval &- now }
            known = actual
        }
    }

    /// How many seconds a client is told to wait: until its turn, and up to half as much and two seconds more, so that
    /// those who were refused together do not come back together. 1 to 93.
    package static func seconds(
        after wait: UInt64, using random: inout some RandomNumberGenerator
    ) -> Int {
        let least = 1 + Int(min(wait, longestWait) / 1_000_000_000)
        return least + Int.random(in: 0...2 + least / 2, using: &random)
    }

    /// Addresses that are remembered now.
    package var remembered: Int { addresses.withLock { $0.count } }
}

/// A bucket for each address that connected lately.
package struct AddressBuckets {
    /// Addresses remembered at the most, some 4 MiB. While there are more, those beyond are let in uncounted: the node's
    /// own rate holds for them, and to refuse them would let an attacker with many addresses lock everybody out.
    package static let most = 65_536

    private var limit: RateLimit
    private var buckets: RateBuckets<AddressKey>

    package init(limit: RateLimit, most: Int) {
        self.limit = limit
        buckets = RateBuckets(most: most)
    }

    package var count: Int { buckets.count }

    /// Takes another limit. Without one nothing is remembered.
    mutating func use(_ next: RateLimit) {
        limit = next
        if next.isUnlimited { buckets.removeAll() }
    }

    /// - Returns: 0 if the client may come in, and else how many nanoseconds it has to wait.
    mutating func take(_ key: AddressKey, now: UInt64) -> UInt64 { buckets.take(key, limit, now: now) }
}
