/// What runs out.
package enum Limit: String, Sendable, CaseIterable, Encodable {
    case memory
    case cpu
    case files
    case network
    case redisCPU = "redis_cpu"

    /// For people.
    package var name: String {
        switch self {
        case .memory: "memory of a node"
        case .cpu: "CPU of a node"
        case .files: "files of a node's process"
        case .network: "network of a node"
        case .redisCPU: "CPU of a Redis server"
        }
    }
}

/// How much of something one node, or one Redis server, uses.
package struct LimitUse: Sendable, Equatable, Encodable {
    package let limit: Limit
    package let used: Double
    /// What may be used of it.
    package let available: Double

    package var share: Double { available > 0 ? used / available : .infinity }
}

/// A cluster that bears a workload, or the largest workload that one bears.
package struct ClusterSize: Sendable, Equatable {
    package let workload: Workload
    package let shape: NodeShape
    package let nodes: Int
    package let redisServers: Int
    /// Of one node, in the order of `Limit`.
    package let uses: [LimitUse]
    /// What all histories take in Redis, in bytes.
    package let redisMemory: Double
    package let deliveriesPerSecond: Double
    /// Sends that these take: fewer, where publications gather.
    package let sendsPerSecond: Double

    package var sessionsPerNode: Int { (workload.sessions + nodes - 1) / nodes }
    /// What has the least left: what runs out first if everything grows alike.
    package var first: LimitUse { uses.max { $0.share < $1.share } ?? LimitUse(limit: .memory, used: 0, available: 1) }
    /// What comes next.
    package var second: LimitUse? { uses.filter { $0.limit != first.limit }.max { $0.share < $1.share } }
}
