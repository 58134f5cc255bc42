import Codec
import Reactor

/// Moves partitions from one of several servers to another while the nodes go on (docs/decisions/0047-changing-servers.md).
///
/// What is to be done next, `ShardChange` decides. This class does this node's part of it: while a partition moves, nothing is asked of
/// either server in it, and the node listens to both.
final class ShardMover {
    unowned(unsafe) let owner: RedisBackplane  // trap-ok: owns its mover, so it outlives it
    let topology: ShardTopology
    /// Nil until it is known which plan the nodes have.
    var change: ShardChange?
    /// Partitions that are on their way, and from where to where.
    private(set) var paused = PartitionSet.none
    private(set) var ways: [Int: Way] = [:]
    /// What waits until a partition has arrived.
    private var deferred: [Int: [() -> Void]] = [:]
    private var deferrals = 0
    /// Channels that are wanted in paused partitions since they began to move, or that had not been confirmed by then.
    private var wanted: Set<ChannelName> = []
    /// Beats that have to come back: then all has arrived that was published before.
    private var fences: [(server: RedisServer, beat: UInt64)] = []
    /// What the others said last.
    var standings: [NodeID: ShardStanding] = [:]
    var said: ShardStanding?
    /// A plan is being stored.
    var isStoring = false
    var copy: ShardCopy?
    /// Servers that have no plan, by their numbers.
    var empty: Set<Int> = []
    private var isUsing = false

    struct Way {
        let from: RedisServer
        let to: RedisServer
        /// How many commands the first one had been sent when the partition was paused: what is asked there later is about others.
        var fence: UInt64 = 0
    }

    /// Requests that wait for partitions on their way, at the most. More are refused, as when the link is away.
    private static let mostDeferrals = 64 * 1024

    init(_ topology: ShardTopology, owner: RedisBackplane) {
        self.topology = topology
        self.owner = owner
    }

    // MARK: What happens meanwhile

    /// Whether a partition is on its way; then `body` is run when it has arrived.
    func isDeferred(_ partition: Int, _ body: @escaping () -> Void) -> Bool {
        guard paused.contains(partition), deferrals < Self.mostDeferrals else { return false }
        deferrals += 1
        deferred[partition, default: []].append(body)
        return true
    }

    /// - Returns: Whether that is settled for now.
    func addInterest(_ channel: ChannelName) -> Bool {
        guard paused.contains(channel) else { return false }
        wanted.insert(channel)
        return true
    }

    func dropInterest(_ channel: ChannelName) -> Bool {
        guard paused.contains(channel), let way = ways[RedisPartition.of(channel)] else { return false }
        wanted.remove(channel)
        way.from.dropInterest(channel)
        way.to.dropInterest(channel)
        return true
    }

    // MARK: Another plan

    /// This is the plan from now on.
    func use(_ plan: ShardPlan) {
        let before = change?.plan
        if change == nil {
            change = ShardChange(plan, target: topology.target, now: owner.home.now)
        } else {
            change?.use(plan, now: owner.home.now)
        }
        // Under the plan that says that all has been copied: the next one may follow at once.
        if let copy, plan.completes(copy.plan) { copy.removeOriginals(plan) }
        copy = nil
        let (holders, next) = (plan.owners.map(server), plan.successors.map(server))
        isUsing = true
        release { partition in
            !plan.moving.contains(partition) || self.isElsewhere(partition, holders, next)
        } to: {
            holders[$0]
        }
        group((0..<RedisPartition.count).filter { !paused.contains($0) && topology.owners[$0] !== holders[$0] }) {
            Way(from: self.topology.owners[$0], to: holders[$0])
        } _: { way, partitions in
            for partition in partitions.partitions { topology.assign(partition, to: way.to) }
            owner.move(partitions, from: way.from, to: way.to)
        }
        group(plan.moving.subtracting(paused).partitions) {
            Way(from: holders[$0], to: next[$0])
        } _: {
            pause($1, $0)
        }
        isUsing = false
        fences = []
        if plan.phase == .copy {
            for server in sources where server.state.takesCommands {
                server.sendBeat()
                fences.append((server, server.beats.sequence))
            }
        }
        owner.serversChanged()
        owner.reviewHolds()
        tell(before, plan)
        review()
    }

    private func server(_ name: [UInt8]) -> RedisServer { topology.server(named: name) ?? topology.nowhere }

    private func isElsewhere(_ partition: Int, _ holders: [RedisServer], _ next: [RedisServer]) -> Bool {
        ways[partition].map { $0.from !== holders[partition] || $0.to !== next[partition] } ?? false
    }

    /// Servers that moving partitions leave, each once.
    private var sources: [RedisServer] {
        topology.servers.filter { server in ways.values.contains { $0.from === server } }
    }

    private func group(_ partitions: [Int], _ way: (Int) -> Way, _ body: (Way, PartitionSet) -> Void) {
        var found: [(way: Way, partitions: PartitionSet)] = []
        for partition in partitions {
            let one = way(partition)
            if let index = found.firstIndex(where: { $0.way.from === one.from && $0.way.to === one.to }) {
                found[index].partitions.insert(partition)
            } else {
                found.append((one, PartitionSet(CollectionOfOne(partition))))
            }
        }
        for (way, partitions) in found { body(way, partitions) }
    }

    /// Nothing is asked in these partitions any more, and what is published there is heard on both servers.
    private func pause(_ partitions: PartitionSet, _ way: Way) {
        var way = way
        way.fence = way.from.replies.appended
        for partition in partitions.partitions {
            owner.hold(partition, at: way.from)
            topology.assign(partition, to: topology.nowhere)
            ways[partition] = way
        }
        paused.formUnion(partitions)
        for (channel, isConfirmed) in way.from.interest.wanted(in: partitions) {
            // Who waits for it is told when the partition has arrived.
            way.to.interest.adopt(channel, isConfirmed: true)
            if !isConfirmed { wanted.insert(channel) }
        }
        way.to.subscribeMore()
    }

    /// Partitions are where they are to be, or stay where they were.
    private func release(_ isMeant: (Int) -> Bool, to holder: (Int) -> RedisServer) {
        let meant = paused.partitions.filter(isMeant)
        guard !meant.isEmpty else { return }
        let arrived = meant.filter { ways[$0]?.to === holder($0) }
        paused.subtract(PartitionSet(meant))
        group(arrived) {
            self.way(of: $0)
        } _: { way, partitions in
            settle(partitions, at: way.to)
            way.from.giveUp(partitions)
            way.from.partitions.subtract(partitions)
            way.to.partitions.formUnion(partitions)
            way.to.inherited.merge(way.from.acknowledged.extract(partitions)) { _, new in new }
            if way.to.link.isUp { way.to.reviewInherited() }
        }
        group(PartitionSet(meant).subtracting(PartitionSet(arrived)).partitions) {
            self.way(of: $0)
        } _: {
            settle($1, at: $0.from)
            $0.to.giveUp($1)
        }
        owner.reviewLink()
        owner.reviewHolds()
        let released = PartitionSet(meant)
        let channels = wanted.filter { released.contains($0) }
        wanted.subtract(channels)
        for channel in channels { owner.addInterest(channel) }
        for partition in meant {
            let waiting = deferred.removeValue(forKey: partition) ?? []
            deferrals -= waiting.count
            for body in waiting { body() }
        }
    }

    private func settle(_ partitions: PartitionSet, at server: RedisServer) {
        for partition in partitions.partitions {
            topology.assign(partition, to: server)
            ways[partition] = nil
        }
    }

    private func way(of partition: Int) -> Way {
        ways[partition] ?? Way(from: topology.nowhere, to: topology.nowhere)
    }

    /// The node ends: whoever waits is told that there is no link.
    func stop() {
        paused = .none
        let waiting = deferred.values
        deferred = [:]
        for bodies in waiting { for body in bodies { body() } }
    }

    // MARK: How far it is

    /// Whether this node has done what the plan asks of it.
    var isReady: Bool {
        guard let plan = change?.plan else { return false }
        let isQuiet = ways.values.allSatisfy { way in
            way.from.state.isLinked && way.to.state.isLinked && way.to.interest.isComplete
                && way.from.replies.answered >= way.fence
        }
        return isQuiet && (plan.phase == .stop || fences.allSatisfy { $0.server.beats.lastReturned >= $0.beat })
    }

    /// Whether it is linked through all servers that have something to do with the plan.
    var isWhole: Bool {
        let needed = (change?.plan.servers ?? []) + topology.target
        return needed.allSatisfy { topology.server(named: $0)?.state.isLinked ?? false }
    }

    /// Something happened that a change may have waited for.
    func review() {
        guard !isUsing, let change, owner.isRunning else { return }
        let standing = change.standing(isReady: isReady, isWhole: isWhole)
        if standing != said { say(standing) }
        drive(standing)
    }

    /// A server can be used: the others are told there at once.
    func greet(_ server: RedisServer) {
        guard let change else { return }
        let standing = change.standing(isReady: isReady, isWhole: isWhole)
        server.send(.standing(owner.node, standing), to: server.beatChannel)
    }

    func say(_ standing: ShardStanding) {
        said = standing
        for server in topology.servers where server.state.takesCommands {
            server.send(.standing(owner.node, standing), to: server.beatChannel)
        }
    }

    /// Once a second.
    func tick() {
        standings = standings.filter { owner.registry.contains($0.key) }
        for server in topology.servers where server.state.takesCommands { server.joinShards() }
        said = nil
        review()
    }

    func heard(_ standing: ShardStanding, of node: NodeID, by server: RedisServer) {
        guard node != owner.node, standings[node] != nil || standings.count < NodeRegistry.maximumNodes else { return }
        let before = standings.updateValue(standing, forKey: node)
        guard let change, server.state.takesCommands else { return }
        if change.isBehind(standing) {
            server.joinShards()
        }
        // Each server says it, and every second.
        if standing != before { review() }
    }
}
