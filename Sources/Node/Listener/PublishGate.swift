package import Codec
import Synchronization
package import Reactor

/// How fast publications come in requests of their own. What a session publishes is charged to the session. A request has none, so
/// it is charged to the user of its token, and without a user to the address it comes from.
package final class PublishGate: Sendable {
    /// Publishers that are remembered at the most. While there are more, those beyond are let in: the node's own rate of requests
    /// holds for them, and to refuse them would let somebody with many addresses lock everybody out.
    package static let most = 65_536

    private enum Publisher: Hashable {
        case user(ForeignText)
        case address(AddressKey)
    }

    private let buckets: Mutex<RateBuckets<Publisher>>

    package init(most: Int = PublishGate.most) { buckets = Mutex(RateBuckets(most: most)) }

    /// A publication has come.
    ///
    /// - Parameters:
    ///   - limit: How fast one publisher may publish.
    ///   - cost: How many publications it counts for.
    ///   - now: Nanoseconds of the monotonic clock.
    /// - Returns: 0 if it may go on, and else how many nanoseconds its publisher has to wait.
    package func enter(
        _ user: ForeignText?, _ address: SocketAddress?, _ limit: RateLimit, cost: UInt64, now: UInt64
    ) -> UInt64 {
        guard !limit.isUnlimited, let publisher = user.map(Publisher.user) ?? AddressKey(address).map(Publisher.address)
        else { return 0 }
        return buckets.withLock {
            $0.take(publisher, limit, cost: cost, largestCost: CommandCost.publishKept, now: now)
        }
    }

    /// Publishers that are remembered now.
    package var remembered: Int { buckets.withLock { $0.count } }
}
