import Codec
import Reactor

/// Which servers there are, where they are, and which of them a channel lives on.
///
/// An `enum` that forwards, because it is asked for each publication. What comes with several servers is a case here; nothing
/// outside of this folder knows how many there are.
enum Topology {
    case fixed(FixedTopology)
    case sentinel(SentinelTopology)
    case shards(ShardTopology)
    case cluster(ClusterTopology)

    init(_ configuration: RedisConfiguration, owner: RedisBackplane) {
        if !configuration.cluster.isEmpty {
            self = .cluster(ClusterTopology(configuration, owner: owner))
        } else if !configuration.shards.isEmpty {
            self = .shards(ShardTopology(configuration, owner: owner))
        } else if let sentinel = configuration.sentinel {
            self = .sentinel(SentinelTopology(configuration, sentinel, owner: owner))
        } else {
            self = .fixed(FixedTopology(configuration, owner: owner))
        }
    }

    /// The server that a channel lives on: its publications, its history and who is present in it.
    @inline(__always)
    func server(for channel: ChannelName) -> RedisServer {
        switch self {
        case .fixed(let topology): topology.server
        case .sentinel(let topology): topology.server
        case .shards(let topology): topology.server(ofPartition: RedisPartition.of(channel))
        case .cluster(let topology): topology.server(ofPartition: RedisPartition.of(channel))
        }
    }

    /// The server that all channels of a partition live on.
    func server(ofPartition partition: Int) -> RedisServer {
        switch self {
        case .fixed(let topology): topology.server
        case .sentinel(let topology): topology.server
        case .shards(let topology): topology.server(ofPartition: partition)
        case .cluster(let topology): topology.server(ofPartition: partition)
        }
    }

    /// The server that has a node's lease, and over which it is reached as long as that server works.
    func server(of node: NodeID) -> RedisServer {
        server(ofPartition: RedisNames.partition(of: node))
    }

    /// The server over which a node is reached now, and the partition; each node listens on all of them.
    func way(to node: NodeID) -> (server: RedisServer, partition: Int) {
        let usual = RedisNames.partition(of: node)
        let server = server(ofPartition: usual)
        if server.state.isLinked, !server.interest.blocked.contains(usual) { return (server, usual) }
        return servers.first { $0.state.isLinked && !$0.partitions.isEmpty }.map { ($0, $0.homePartition) } ?? (
            server, usual
        )
    }

    /// All of them; never none.
    var servers: [RedisServer] {
        switch self {
        case .fixed(let topology): topology.servers
        case .sentinel(let topology): topology.servers
        case .shards(let topology): topology.servers
        case .cluster(let topology): topology.servers
        }
    }

    /// Whether channels are divided among several servers.
    var isDivided: Bool {
        switch self {
        case .fixed, .sentinel: false
        case .shards, .cluster: true
        }
    }

    /// The partitions of servers to which more waits to be sent than should.
    var congested: PartitionSet {
        switch self {
        case .fixed(let topology): topology.server.isCongested ? .all : .none
        case .sentinel(let topology): topology.server.isCongested ? .all : .none
        case .shards, .cluster: servers.reduce(into: .none) { if $1.isCongested { $0.formUnion($1.partitions) } }
        }
    }

    /// Partitions that no server has.
    var uncovered: PartitionSet { if case .cluster(let topology) = self { topology.uncovered } else { .none } }

    /// Where a server says that a partition is at another place than the topology has it; and once a second.
    func hurry() { if case .cluster(let topology) = self { topology.hurry() } }
    func moved(_ partition: Int, to place: HostAndPort) {
        if case .cluster(let topology) = self { topology.moved(partition, to: place) }
    }
    func tick() { if case .cluster(let topology) = self { topology.tick() } }

    func start() {
        // Before the connections: they go where it says.
        switch self {
        case .fixed: break
        case .sentinel(let topology): topology.start()
        case .shards(let topology): return topology.parts.forEach { $0.start() }
        case .cluster(let topology): return topology.start()
        }
        for server in servers { server.start() }
    }

    /// Ends all connections.
    func stop() {
        switch self {
        case .fixed: break
        case .sentinel(let topology): topology.stop()
        case .shards(let topology): return topology.parts.forEach { $0.stop() }
        case .cluster(let topology): return topology.stop()
        }
        for server in servers { server.close() }
    }
}
