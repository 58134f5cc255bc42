import Codec

/// Several servers that know nothing of each other, each at a fixed address or behind its sentinels. Which partitions live on which of
/// them follows from what they are called (`Rendezvous`), so all nodes come to the same result without talking about it.
final class ShardTopology {
    let servers: [RedisServer]
    /// The same, with what finds each of them.
    let parts: [Topology]
    /// The number of each partition's server.
    private let owners: [Int]

    init(_ shards: [RedisConfiguration], owner: RedisBackplane) {
        parts = shards.map { Topology($0, owner: owner) }
        servers = parts.flatMap(\.servers)
        owners = Rendezvous.owners(of: RedisPartition.count, among: shards.map { Array($0.name.utf8) })
        for (number, server) in servers.enumerated() {
            server.partitions = PartitionSet((0..<RedisPartition.count).filter { owners[$0] == number })
        }
    }

    @inline(__always)
    func server(ofPartition partition: Int) -> RedisServer { servers[owners[partition]] }
}
