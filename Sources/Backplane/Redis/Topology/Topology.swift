import Codec
import Reactor

/// Which servers there are, where they are, and which of them a channel lives on.
///
/// An `enum` that forwards, because it is asked for each publication. What comes with several servers is a case here; nothing
/// outside of this folder knows how many there are.
enum Topology {
    case fixed(FixedTopology)
    case sentinel(SentinelTopology)

    init(_ configuration: RedisConfiguration, owner: RedisBackplane) {
        if let sentinel = configuration.sentinel {
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
        }
    }

    /// The server that all channels of a partition live on.
    func server(ofPartition partition: Int) -> RedisServer {
        switch self {
        case .fixed(let topology): topology.server
        case .sentinel(let topology): topology.server
        }
    }

    /// The server over which a node is reached, and that has its lease.
    func server(of node: NodeID) -> RedisServer {
        switch self {
        case .fixed(let topology): topology.server
        case .sentinel(let topology): topology.server
        }
    }

    /// All of them; never none.
    var servers: [RedisServer] {
        switch self {
        case .fixed(let topology): topology.servers
        case .sentinel(let topology): topology.servers
        }
    }

    /// More waits to be sent to one of them than should.
    var isCongested: Bool {
        switch self {
        case .fixed(let topology): topology.server.isCongested
        case .sentinel(let topology): topology.server.isCongested
        }
    }

    func start() {
        // Before the connections: they go where it says.
        if case .sentinel(let topology) = self { topology.start() }
        for server in servers { server.start() }
    }

    /// Ends all connections.
    func stop() {
        if case .sentinel(let topology) = self { topology.stop() }
        for server in servers { server.close() }
    }
}
