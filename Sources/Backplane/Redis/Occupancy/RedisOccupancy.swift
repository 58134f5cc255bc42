package import Codec
import Reactor

/// What of occupancy the link to Redis has to remember.
struct RedisOccupancy {
    var table = OccupancyTable()
    var reaping = OccupancyReaping()
    /// Something was refused: nothing more is told until a second has passed.
    var isPaused = false
    /// Channels whose subscribers have gone are looked after.
    var isWatching = false
    /// More is told in the next turn.
    var isGoingOn = false
    /// Everything is being told again, and then this node counts as alive.
    var isTellingAnew = false
    /// Partitions in which Redis has marks of this node: its own mark is there too.
    var marked: Set<Int> = []
    /// When the lifetimes of all marks were renewed last.
    var renewedAt: MonotonicTime?
    var lostAt: MonotonicTime?

    /// Steps of one turn.
    static let steps = 1024
    static let renewal: Duration = .seconds(3600)
    /// Marks that Redis loses are told again at most this often.
    static let lossPause: Duration = .seconds(5)
}

/// What a reply about occupancy belongs to.
package enum OccupancyReply {
    case told(OccupancyTable.Step)
    /// Nodes that have channels in a partition.
    case listed(Int)
    /// Whether a node of a partition has a lease.
    case leased(NodeID, Int)
    case cleared(NodeID, Int)
    /// Whether the node's own mark is still there.
    case checked
    /// An answer that says nothing new.
    case noted

    package var calls: RedisScript? {
        switch self {
        case .told(.mark): .occupy
        case .told(.unmark): .vacate
        case .cleared: .clear
        case .listed, .leased, .checked, .noted: nil
        }
    }
}

/// Which channels have subscribers on this node, told to the others: as fast as Redis answers, and again when it has forgotten.
extension RedisBackplane {
    package func occupy(_ channel: ChannelName) {
        occupancy.table.occupied(channel)
        tellOccupancy()
    }

    package func vacate(_ channel: ChannelName) {
        occupancy.table.vacated(channel, now: home.now)
        if occupancy.table.isLingering, !occupancy.isWatching { watchVacancies() }
    }

    private func watchVacancies() {
        occupancy.isWatching = true
        home.schedule(after: OccupancyTable.linger) { [self] in
            occupancy.isWatching = false
            guard isRunning else { return }
            occupancy.table.expire(now: home.now)
            tellOccupancy()
            if occupancy.table.isLingering { watchVacancies() }
        }
    }

    private var canTellOccupancy: Bool {
        status.isUp && !occupancy.isPaused && topology.servers.contains(where: takesOccupancy)
    }

    private func takesOccupancy(_ server: RedisServer) -> Bool {
        server.link.isUp && server.has(.occupy) && server.has(.vacate)
    }

    /// Tells what is to be told, as much as may be under way.
    func tellOccupancy() {
        guard canTellOccupancy else { return }
        for _ in 0..<RedisOccupancy.steps {
            guard let step = occupancy.table.next() else { return occupancyTold() }
            tell(step)
        }
        // Others have their turn, and then it goes on.
        guard !occupancy.isGoingOn else { return }
        occupancy.isGoingOn = true
        home.post { [self] in
            self.occupancy.isGoingOn = false
            self.tellOccupancy()
        }
    }

    private func tell(_ step: OccupancyTable.Step) {
        let channel = step.channel
        let partition = names.partition(of: channel)
        if isDeferred(partition, { [self] in tell(step) }) { return }
        let names = names.partitions[partition]
        let server = topology.server(for: channel)
        guard takesOccupancy(server) else { return occupancy.table.parked(step) }
        let (script, certainty): (RedisScript, OccupancyTable.Certainty) =
            switch step {
            case .mark(_, let certainty): (.occupy, certainty)
            case .unmark(_, let certainty): (.vacate, certainty)
            }
        if script == .occupy { markOccupancy(partition, names, at: server) }
        let text = nodeText
        server.run(
            script, .occupancy(.told(step)),
            keys: [
                names.occupancy("o"), names.occupancy("oc", text), names.occupancy("on"), names.occupancy("or", text),
                names.occupancy("os"),
            ],
            [RedisServer.bytes(node.value), text, channel.bytes, Array(certainty.rawValue.utf8)])
    }

    /// Before something of a partition is told: what Redis loses from here on is noticed.
    private func markOccupancy(_ partition: Int, _ names: PartitionNames, at server: RedisServer) {
        guard occupancy.marked.insert(partition).inserted else { return }
        set(names.occupancy("om", nodeText), RedisScript.occupancyMarkLifetime, .occupancy(.noted), at: server)
    }

    /// Nothing more is to be told: who told everything again counts as alive from here on.
    private func occupancyTold() {
        status.occupiedChannels = occupancy.table.count
        guard occupancy.isTellingAnew, occupancy.table.isSettled else { return }
        occupancy.isTellingAnew = false
        deleteEverywhere(.occupancy(.noted)) { $0.occupancy("or", nodeText) }
    }

    /// The link is back, or Redis has forgotten something.
    func tellOccupancyAnew() {
        guard receiver?.tracksOccupancy ?? false else { return }
        occupancy.isPaused = false
        occupancy.marked = []
        occupancy.isTellingAnew = true
        occupancy.table.repeatAll()
        tellOccupancy()
    }

    /// Once a second.
    func occupancyTick() {
        guard status.isUp, receiver?.tracksOccupancy ?? false else { return }
        occupancy.isPaused = false
        checkOccupancy()
        tellOccupancy()
        sweepOccupancyIfDue()
    }

    /// Asks whether Redis still has what this node told it, and renews it now and then.
    private func checkOccupancy() {
        let text = nodeText
        let isRenewal = occupancy.renewedAt.map { home.now - $0 >= RedisOccupancy.renewal } ?? false
        if isRenewal || occupancy.renewedAt == nil { occupancy.renewedAt = home.now }
        for partition in occupancy.marked {
            guard partition < names.partitions.count else { continue }
            let names = names.partitions[partition]
            let server = topology.server(ofPartition: partition)
            guard server.state.takesCommands else { continue }
            touch(names.occupancy("om", text), RedisScript.occupancyMarkLifetime, .occupancy(.checked), at: server)
            guard isRenewal else { continue }
            for key in [names.occupancy("o"), names.occupancy("oc", text), names.occupancy("on")] {
                touch(key, RedisScript.occupancyLifetime, .occupancy(.noted), at: server)
            }
        }
    }

    private func occupancyLost() {
        guard status.isUp else { return }
        if let last = occupancy.lostAt, home.now - last < RedisOccupancy.lossPause { return }
        occupancy.lostAt = home.now
        if occupancy.table.count > 0 {
            receiver?.happened(
                .warning,
                "Redis at \(status.server ?? "an unknown place") lost which channels are occupied on this node (FLUSHDB, or its keys were evicted): \(things(occupancy.table.count, "channel is", "channels are")) written again"
            )
        }
        tellOccupancyAnew()
    }

    // MARK: Answers

    func answered(_ reply: OccupancyReply, _ value: RESPValue) {
        switch reply {
        case .told(let step):
            occupancy.table.answered(step)
            if case .integer(let order) = value, order > 0 {
                let isOccupied = if case .mark = step { true } else { false }
                receiver?.occupancyChanged(
                    of: step.channel, isOccupied: isOccupied, order: UInt64(clamping: order))
            }
            tellOccupancy()
        case .listed(let partition): occupantsListed(partition, value)
        case .leased(let node, let partition): occupantLeased(node, partition, value)
        case .cleared(let node, let partition): occupantCleared(node, partition, value)
        case .checked: if value == .integer(0) { occupancyLost() }
        case .noted: break
        }
    }

    /// Redis refused it: it is said again in the next second.
    func refusedOccupancy(_ reply: OccupancyReply) {
        occupancy.isPaused = true
        unanswered(reply)
    }

    /// It was not carried out, or the link broke before the answer.
    func unanswered(_ reply: OccupancyReply) {
        switch reply {
        case .told(let step): occupancy.table.unanswered(step)
        case .listed, .leased, .cleared: occupancy.reaping.ended()
        case .checked, .noted: break
        }
    }
}
