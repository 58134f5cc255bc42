import Codec

/// Several servers that know nothing of each other, each at a fixed address or behind its sentinels. Which partitions live on which of
/// them follows from what they are called (`Rendezvous`) and from the plan that all nodes have (`ShardPlan`, `ShardMover`).
final class ShardTopology {
    /// All that the configuration lists, those that have no partitions yet or any more included.
    let servers: [RedisServer]
    /// The same, with what finds each of them.
    let parts: [Topology]
    /// What they are called, in the same order.
    let names: [[UInt8]]
    /// Those that are to have partitions.
    let target: [[UInt8]]
    /// For each partition its server.
    private(set) var owners: [RedisServer]
    /// The server of partitions that are on their way to another one: nothing can be asked of it.
    let nowhere: RedisServer

    init(_ configuration: RedisConfiguration, owner: RedisBackplane) {
        let shards = configuration.shards
        parts = shards.map { Topology($0, owner: owner) }
        let servers = parts.flatMap(\.servers)
        self.servers = servers
        names = shards.map { Array($0.name.utf8) }
        let leaving = configuration.leaving.map { Array($0.utf8) }
        let staying = shards.indices.filter { !leaving.contains(Array(shards[$0].name.utf8)) }
        target = staying.map { Array(shards[$0].name.utf8) }
        nowhere = RedisServer(owner: owner, configuration: configuration)
        let numbers = Rendezvous.owners(of: RedisPartition.count, among: target)
        owners = numbers.map { servers[staying[$0]] }
        for server in servers { server.partitions = .none }
        for (partition, owner) in owners.enumerated() { owner.partitions.insert(partition) }
    }

    @inline(__always)
    func server(ofPartition partition: Int) -> RedisServer { owners[partition] }

    func server(named name: [UInt8]) -> RedisServer? { names.firstIndex(of: name).map { servers[$0] } }

    /// What a partition is asked of this server from now on.
    func assign(_ partition: Int, to server: RedisServer) { owners[partition] = server }
}
