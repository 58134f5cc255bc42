/// A token bucket for each of those who came lately, in bounded memory: two generations of them. When the younger one is as old as
/// an empty bucket takes to be full again, all buckets of the older one are full, and it is forgotten.
package struct RateBuckets<Key: Hashable> {
    private let most: Int
    private var young: [Key: TokenBucket] = [:]
    private var old: [Key: TokenBucket] = [:]
    private var begin: UInt64 = 0

    /// - Parameter most: How many are remembered. While there are more, those beyond are let in uncounted.
    package init(most: Int) { self.most = most }

    package var count: Int { young.count + old.count }

    mutating func removeAll() {
        young = [:]
        old = [:]
    }

    /// - Parameters:
    ///   - cost: How many it counts for.
    ///   - largestCost: The most that anything counts for.
    ///   - now: Nanoseconds of the monotonic clock.
    /// - Returns: 0 if it may go on, and else how many nanoseconds it has to wait.
    mutating func take(_ key: Key, _ limit: RateLimit, cost: UInt64 = 1, largestCost: UInt64 = 1, now: UInt64) -> UInt64
    {
        let filling = limit.tolerance &+ limit.interval &* largestCost
        if now > begin, now - begin >= filling {
            // After a pause as long the younger one is full, too.
            old = now - begin >= 2 &* filling ? [:] : young
            young = [:]
            begin = now
        }
        var bucket: TokenBucket
        if let known = young[key] {
            bucket = known
        } else if let known = old.removeValue(forKey: key) {
            bucket = known
        } else {
            guard count < most else { return 0 }
            bucket = TokenBucket()
        }
        let isInTime = bucket.take(limit, cost: cost, now: now)
        young[key] = bucket
        return isInTime ? 0 : max(1, bucket.wait(limit, now: now) &+ limit.interval &* (cost &- 1))
    }
}
