import Codec
import Reactor

/// The masters of a Redis Cluster, each with the partitions whose slots it has. Which those are the cluster says (`ClusterWatch`), and it
/// may change at any time: partitions move, masters come and go, replicas are promoted.
///
/// As long as nobody knows where a partition is, it belongs to a server without an address, which keeps what waits for it.
final class ClusterTopology {
    private(set) var servers: [RedisServer]
    /// For each partition its server.
    private var owners: [RedisServer]
    private let configuration: RedisConfiguration
    private unowned(unsafe) let owner: RedisBackplane  // trap-ok: owns its topology, so it outlives it
    private var watch: ClusterWatch?
    /// Servers that have no partitions any more, until what was asked of them is answered.
    private var leaving: [RedisServer] = []
    /// Partitions whose slots no master has.
    private(set) var uncovered = PartitionSet.none
    private var isWell = true

    init(_ configuration: RedisConfiguration, owner: RedisBackplane) {
        self.configuration = configuration
        self.owner = owner
        let nowhere = RedisServer(owner: owner, configuration: configuration)
        nowhere.partitions = .all
        servers = [nowhere]
        owners = Array(repeating: nowhere, count: RedisPartition.count)
    }

    @inline(__always)
    func server(ofPartition partition: Int) -> RedisServer { owners[partition] }

    func start() {
        for server in servers { server.start() }
        let watch = ClusterWatch(
            home: owner.home, configuration: configuration, encryption: owner.encryption,
            changed: { [weak self] in self?.apply($0) }, objected: { [weak self] in self?.failed($0) })
        self.watch = watch
        watch.start()
    }

    func stop() {
        watch?.stop()
        watch = nil
        for server in servers + leaving { server.close() }
    }

    /// Something changed: the topology is asked for soon.
    func hurry() { watch?.hurry() }

    /// A master said where a partition is.
    func moved(_ partition: Int, to place: HostAndPort) {
        // Of everything that was on its way to the old master this is said.
        if owners[partition].address == ServerAddress(.tcp(host: place.host, port: place.port)) { return hurry() }
        watch?.moved(partition, to: place)
    }

    // MARK: What the cluster says

    private func apply(_ report: ClusterReport) {
        var moves: [Move] = []
        uncovered = .none
        for (partition, place) in report.masters.enumerated() {
            guard let place else {
                uncovered.insert(partition)
                continue
            }
            let (from, to) = (owners[partition], server(at: place))
            guard from !== to else { continue }
            owners[partition] = to
            if let index = moves.firstIndex(where: { $0.from === from && $0.to === to }) {
                moves[index].partitions.insert(partition)
            } else {
                moves.append(Move(from: from, to: to, partitions: PartitionSet(CollectionOfOne(partition))))
            }
        }
        say(report)
        guard !moves.isEmpty else { return }
        for move in moves { owner.move(move.partitions, from: move.from, to: move.to) }
        let empty = servers.filter(\.partitions.isEmpty)
        servers.removeAll { $0.partitions.isEmpty }
        for server in empty {
            server.state.stopped()
            owner.takeCounts(of: server)
        }
        leaving += empty
        owner.serversChanged()
    }

    private struct Move {
        let from: RedisServer
        let to: RedisServer
        var partitions: PartitionSet
    }

    private func server(at place: HostAndPort) -> RedisServer {
        let address = ServerAddress(.tcp(host: place.host, port: place.port))
        if let known = servers.first(where: { $0.address == address }) { return known }
        let server = RedisServer(owner: owner, configuration: configuration, address: address)
        server.receiver = owner.receiver
        servers.append(server)
        server.start()
        return server
    }

    /// What an operator has to hear, when it begins and when it ends.
    private func say(_ report: ClusterReport) {
        let isWell = report.isWell && uncovered.isEmpty
        guard isWell != self.isWell else { return }
        self.isWell = isWell
        if isWell {
            owner.receiver?.happened(.info, "the Redis Cluster is well again")
        } else if uncovered.isEmpty {
            owner.receiver?.happened(
                .error, "the Redis Cluster says that it is down (cluster_state): most of its masters cannot be reached")
        } else {
            owner.receiver?.happened(
                .error,
                "the Redis Cluster has no master for some of its slots: \(things(uncovered.count, "partition")) of \(RedisPartition.count) cannot be used. Assign the slots (redis-cli --cluster fix), or bring the master or a replica of it back"
            )
        }
        owner.serversChanged()
    }

    private func failed(_ reason: String) {
        // As long as the partitions are somewhere, the links to the servers say how that is.
        guard let nowhere = servers.first(where: { $0.address == nil }) else { return }
        owner.failed("no server of the Redis Cluster says who has which slots: \(reason)", at: nowhere)
    }

    /// Once a second.
    func tick() {
        leaving.removeAll { server in
            guard server.replies.count == 0 || !(server.commands?.isOpen ?? false) else { return false }
            server.close()
            owner.takeCounts(of: server)
            return true
        }
    }
}
