/// Where a node stands when the Redis servers change among which the channels are divided. Each node says it with its beats.
package struct ShardStanding: Equatable, Sendable {
    /// The plan that it follows: its generation, and what tells it from others of the same generation.
    package let generation: UInt64
    package let digest: UInt64
    /// What tells the list of servers that it is to use from others.
    package let target: UInt64
    /// It has done what the plan asks of it.
    package let isReady: Bool
    /// It is linked through all servers of the plan and of its own list.
    package let isWhole: Bool

    static let bytes = 24

    package init(generation: UInt64, digest: UInt64, target: UInt64, isReady: Bool, isWhole: Bool) {
        self.generation = generation
        self.digest = digest
        self.target = target
        self.isReady = isReady
        self.isWhole = isWhole
    }

    init(generation: UInt64, digest: UInt64, target: UInt64, flags: UInt8) {
        self.init(
            generation: generation, digest: digest, target: target, isReady: flags & 1 != 0, isWhole: flags & 2 != 0)
    }

    var flags: UInt8 { (isReady ? 1 : 0) | (isWhole ? 2 : 0) }
}
