package import Codec
package import Reactor

/// A cluster of nodes that Redis joins: who the nodes are, whether this one hears them, and who is present where.
///
/// What goes to Redis and comes from it is the business of its servers (`RedisServer`), and which of them a channel lives on
/// that of `Topology`. Its extensions: `ClusterLink` decides whether the node is linked, those in `Presence` tell and ask who
/// is present.
package final class RedisBackplane: Backplane, TurnWork, @unchecked Sendable {
    package let home: Reactor
    package let kind = "redis"
    /// How the link is doing, but for what the servers count.
    var status: LinkState
    let node: NodeID
    let name: String
    let prefix: String
    /// What the servers are called, where there are several, in the order of their names.
    let shardNames: [String]
    var names: RedisNames
    var layout = LayoutDecision()
    let wallClock: @Sendable () -> UInt64
    var receiver: (any BackplaneReceiver)?
    private(set) var topology: Topology!
    /// Changes the servers, where there are several that know nothing of each other.
    private(set) var mover: ShardMover?
    /// The different versions of servers that were named last.
    var versionsSaid: String?
    /// For the next connection; nil without TLS.
    private(set) var encryption: TLSContext?
    var registry: NodeRegistry
    var presence: RedisPresence
    var occupancy = RedisOccupancy()
    /// Publications of partitions that are on their way to another server, and which those are.
    var holds: [Int: PartitionHold] = [:]
    var held = PartitionSet.none
    var isReviewingHolds = false
    /// Publications that are kept wait for the end of the turn, at one server at least.
    var hasPaced = false
    /// Whether nodes want to know when something is sent to users, to connections or to everybody.
    var marksReserved: Bool
    let envelope = ByteWriter(capacity: 1024)
    var random = SystemRandomNumberGenerator()

    private let tls: TLSClientConfiguration?
    private let readyWhen: RedisConfiguration.Readiness

    /// - Parameter presenceLeaving: How many sessions may have gone and still be present, in case they come back.
    /// - Throws: What is wrong with the certificates it is to show or to trust.
    package init(
        home: Reactor, node: NodeID, name: String, configuration: RedisConfiguration,
        presenceLeaving: Int = LocalPresence.defaultLeaving, marksReserved: Bool = false,
        wallClock: @escaping @Sendable () -> UInt64
    ) throws(TLSError) {
        presence = RedisPresence(maximumLeaving: presenceLeaving)
        self.marksReserved = marksReserved
        let tls = configuration.tls ?? configuration.shards.lazy.compactMap(\.tls).first
        self.tls = tls
        readyWhen = configuration.readyWhen
        shardNames = configuration.shards.map(\.name).sorted {
            Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8))
        }
        encryption = try tls.map { tls throws(TLSError) in try TLSContext(tls) }
        self.home = home
        self.node = node
        self.name = name
        self.wallClock = wallClock
        prefix = configuration.prefix
        names = RedisNames(
            prefix: configuration.prefix, node: node, layout: .partitioned, isCluster: !configuration.cluster.isEmpty)
        status = LinkState(since: wallClock())
        registry = NodeRegistry(own: node, name: name, now: .now())
        topology = Topology(configuration, owner: self)
        if case .shards(let shards) = topology { mover = ShardMover(shards, owner: self) }
        // Several servers came after the layout of before.
        if topology.isDivided { layout.settle(.partitioned) }
    }

    /// Reads the certificates again, for the next connection; from any thread but the reactor's, since it reads files.
    ///
    /// - Throws: What is wrong with them; then everything stays as it was.
    package func reload() throws(TLSError) {
        guard let tls else { return }
        let next = try TLSContext(tls)
        home.post { self.encryption = next }
    }

    package func use(_ limits: BackplaneLimits) {
        presence.here.maximumLeaving = limits.presenceLeaving
        marksReserved = limits.marksReserved
        for server in topology.servers { server.configuration.largestMessage = limits.largestMessage }
    }

    package var link: LinkState {
        topology.servers.reduce(into: status) { link, server in
            link.servers.append(server.linkState)
            link.published &+= server.counts.published
            link.received &+= server.counts.received
            link.bytesIn &+= server.counts.bytesIn
            link.bytesOut &+= server.counts.bytesOut
        }
    }

    /// A server is not asked any more: what it counted stays.
    func takeCounts(of server: RedisServer) {
        status.published &+= server.counts.published
        status.received &+= server.counts.received
        status.bytesIn &+= server.counts.bytesIn
        status.bytesOut &+= server.counts.bytesOut
        server.counts = RedisServer.Counts()
    }

    package var nodes: [NodeRecord] { registry.nodes }
    package var congested: PartitionSet { topology.congested }

    package func start(receiver: any BackplaneReceiver) {
        self.receiver = receiver
        for server in topology.servers { server.receiver = receiver }
        // Before the connections, which send what a turn wrote at its end.
        home.add(turnWork: self)
        topology.start()
        tick()
    }

    package func stop(completion: @escaping @Sendable () -> Void) {
        guard isRunning else { return completion() }
        // Members that move to another node get the time to do so before the others count them as gone.
        let lease = presence.here.count == 0 ? 1 : max(1, presence.longestGrace)
        refuseHeld()
        mover?.stop()
        for server in topology.servers { server.leave(lease: lease) }
        receiver = nil
        for server in topology.servers { server.receiver = nil }
        // A moment for the farewell to leave the socket; closing it then loses nothing.
        home.schedule(after: .milliseconds(50)) { [self] in
            self.topology.stop()
            completion()
        }
    }

    /// The cluster has this layout. Whoever used another one says everything anew.
    func use(_ next: RedisLayout, at server: RedisServer) {
        if let objection = layout.objection {
            receiver?.happened(
                .warning,
                "Redis at \(server.addressText) does not let this node look up the layout of its keys: \(objection). It uses layout \(next.rawValue); give the Redis user the permissions of deploy/redis/carillon.acl"
            )
        }
        let change = layout.use(next)
        if names.layout != next {
            names = RedisNames(prefix: prefix, node: node, layout: next)
            for server in topology.servers { server.names = names }
        }
        switch change {
        case .same: break
        case .first: for server in topology.servers { server.layoutKnown() }
        case .other:
            let reason = "the cluster's keys have another layout now: \(next.rawValue)"
            receiver?.happened(.warning, reason)
            for server in topology.servers { server.subscribeAnew(reason) }
        }
    }

    /// Whether clients are welcome while the link is like this.
    func isReady(_ phase: LinkState.Phase) -> Bool {
        phase == .linked || phase == .degraded && readyWhen == .any
    }

    var isLayoutKnown: Bool { layout.inUse != nil }

    // MARK: Publications

    @inline(__always)
    package func publish(_ publication: Publication, history: HistorySettings?, ticket: PublishTicket) {
        if !held.isEmpty, held.contains(publication.channel) { return holdBack(publication, history, ticket) }
        topology.server(for: publication.channel).publish(publication, history, ticket)
    }

    /// The turn ends: what it published to channels with history goes together.
    package func turn() -> Bool {
        if hasPaced {
            hasPaced = false
            for server in topology.servers { server.sendPaced() }
        }
        return false
    }

    func refuse(_ ticket: PublishTicket, _ refusal: PublishRefusal) {
        status.refused &+= 1
        receiver?.published(ticket, .refused(refusal))
    }

    /// Publications began to wait for a link, or do not any more.
    func waitingChanged() { status.waiting = topology.servers.reduce(0) { $0 + $1.buffer.count } }

    /// Whether a partition is on its way to another server; then `body` is run when it has arrived.
    func isDeferred(_ partition: Int, _ body: @escaping () -> Void) -> Bool {
        guard let mover, !mover.paused.isEmpty else { return false }
        return mover.isDeferred(partition, body)
    }

    func isDeferred(_ channel: ChannelName, _ body: @escaping () -> Void) -> Bool {
        guard let mover, !mover.paused.isEmpty else { return false }
        return mover.isDeferred(RedisPartition.of(channel), body)
    }

    package func read(_ query: HistoryQuery, completion: @escaping (Result<HistoryPage, PublishRefusal>) -> Void) {
        if isDeferred(query.channel, { [self] in read(query, completion: completion) }) { return }
        topology.server(for: query.channel).read(query, completion: completion)
    }

    package func removeHistory(
        of channel: ChannelName, completion: @escaping (Result<Void, PublishRefusal>) -> Void
    ) {
        if isDeferred(channel, { [self] in removeHistory(of: channel, completion: completion) }) { return }
        topology.server(for: channel).removeHistory(of: channel, completion: completion)
    }

    package func markLost(
        _ position: Position, in channel: ChannelName, completion: @escaping (Result<Void, PublishRefusal>) -> Void
    ) {
        if isDeferred(channel, { [self] in markLost(position, in: channel, completion: completion) }) { return }
        topology.server(for: channel).markLost(position, in: channel, completion: completion)
    }

    func acknowledgementsChanged() {
        status.acknowledgementsForgotten = topology.servers.reduce(0) { $0 &+ $1.acknowledged.forgotten }
    }

    // MARK: Interest

    package func addInterest(_ channel: ChannelName) {
        if mover?.addInterest(channel) ?? false { return }
        topology.server(for: channel).addInterest(channel)
        interestChanged()
    }

    package func dropInterest(_ channel: ChannelName) {
        if mover?.dropInterest(channel) ?? false { return }
        topology.server(for: channel).dropInterest(channel)
        interestChanged()
    }

    func interestChanged() { status.channels = topology.servers.reduce(0) { $0 + $1.interest.count } }

    // MARK: Questions

    package func ask(_ body: [UInt8], id: UInt64, to nodes: Set<NodeID>) {
        if nodes.contains(node) {
            receiver?.asked(NodeQuestion(id: id, from: node, sender: .here, isDirected: true, body: body))
        }
        // To each by its own channel: the id is not for whoever listens to the beats.
        for target in nodes where target != node { tell(target, .question(id: id, from: node, body: body)) }
    }

    package func answer(_ body: [UInt8], id: UInt64, to target: NodeID) {
        if target == node {
            receiver?.answered(body, id: id, from: node)
        } else {
            tell(target, .answer(id: id, from: node, body: body))
        }
    }

    private func tell(_ target: NodeID, _ message: NodeMessage) {
        let (server, partition) = topology.way(to: target)
        if server.state.takesCommands { server.send(message, to: names.directed(target, in: partition)) }
    }
}
