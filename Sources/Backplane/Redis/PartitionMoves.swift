import Codec
import Reactor

/// Publications of one partition that wait while it is on its way from one server to another.
///
/// They go on in the order in which they came: first those that the old server sent back, then those that it never got, then those that came
/// meanwhile.
struct PartitionHold {
    /// The server that had the partition, and how many commands it had been sent when the hold began: what is behind them does not come.
    let from: RedisServer
    let fence: UInt64
    let since: MonotonicTime
    /// It is not tried again before that.
    var notBefore: MonotonicTime
    var sentBack: [PublishBuffer.Waiting] = []
    var unsent: [PublishBuffer.Waiting]
    var later: PublishBuffer

    /// The old server has answered all that it was sent, or never will.
    var isAnswered: Bool { from.replies.answered >= fence || !(from.commands?.isOpen ?? false) }
}

/// Partitions that move from one server to another: nothing that was published is lost, doubled or put out of order by that.
extension RedisBackplane {
    /// For a slot that is half here and half there, and for a cluster without quorum.
    private static var pause: Duration { .milliseconds(30) }
    /// How long it is waited for this node's own subscriptions at the new server: publications go on then, for others may hear them.
    private static var patience: Duration { .seconds(1) }

    /// Another server has these partitions from now on.
    func move(_ partitions: PartitionSet, from: RedisServer, to: RedisServer) {
        let subscribed = from.isInCluster ? [] : from.interest.subscriptions(in: partitions)
        let channels = from.interest.extract(partitions)
        from.unsubscribe(subscribed)
        let positions = from.acknowledged.extract(partitions)
        // What a node finds out when it starts is no news.
        if from.address != nil, from.isInCluster || from.link.isKnown {
            receiver?.happened(
                .info,
                "channels moved from Redis at \(from.addressText) to Redis at \(to.addressText): \(things(partitions.count, "partition")) of \(RedisPartition.count)"
            )
        }
        for partition in partitions.partitions { hold(partition, at: from) }
        from.partitions.subtract(partitions)
        from.arriving.subtract(partitions)
        from.joining.subtract(partitions)
        to.take(partitions, channels)
        to.inherited.merge(positions) { _, new in new }
        from.reviewInterest()
        reviewLink()
        reviewHolds()
    }

    /// The servers are others than before.
    func serversChanged() {
        interestChanged()
        waitingChanged()
        reviewLink()
    }

    /// What is wanted in the partitions that came to a server is confirmed there; or a server has lost some.
    func settled(_ server: RedisServer) {
        reviewLink()
        if server.link.isUp, server.arriving.isEmpty { server.reviewInherited() }
        reviewHolds()
    }

    // MARK: Publications that wait

    /// Publications of a partition wait from now on.
    func hold(_ partition: Int, at server: RedisServer, _ sentBack: PublishBuffer.Waiting? = nil, pause: Bool = false) {
        let now = home.now
        if holds[partition] == nil {
            let set = PartitionSet(CollectionOfOne(partition))
            let configuration = server.configuration
            holds[partition] = PartitionHold(
                from: server, fence: server.replies.appended, since: now, notBefore: now,
                unsent: server.pacing.take(set) + server.buffer.take(set),
                later: PublishBuffer(wait: configuration.publishWait, maximumBytes: configuration.publishBufferBytes))
            held.insert(partition)
            // What a node finds out when it starts is no move.
            if server.isInCluster || server.link.isKnown { status.slotWaits &+= 1 }
            if holds.count == 1 { watchHolds() }
        }
        if pause { holds[partition]?.notBefore = now + Self.pause }
        guard var waiting = sentBack else { return }
        if waiting.until.nanoseconds == 0 { waiting.until = now + server.configuration.publishWait }
        guard waiting.until > now else {
            return refuse(waiting.ticket, .medium("the slot of the channel in the Redis Cluster cannot be used now"))
        }
        holds[partition]?.sentBack.append(waiting)
    }

    func holdBack(_ publication: Publication, _ history: HistorySettings?, _ ticket: PublishTicket) {
        let partition = RedisPartition.of(publication.channel)
        guard holds[partition]?.later.append(publication, history: history, ticket, now: home.now) ?? false else {
            return refuse(ticket, .bufferFull)
        }
    }

    private func watchHolds() {
        home.schedule(after: Self.pause) { [self] in
            guard !holds.isEmpty else { return }
            reviewHolds()
            mover?.review()
            if !holds.isEmpty { watchHolds() }
        }
    }

    /// Lets go what can go on, and refuses what has waited too long.
    func reviewHolds() {
        guard !isReviewingHolds else { return }
        isReviewingHolds = true
        defer { isReviewingHolds = false }
        let now = home.now
        for (partition, hold) in holds {
            let server = topology.server(ofPartition: partition)
            let isHeard = server.state.isLinked && server.linkedPartitions.contains(partition)
            let isDue = isHeard || now - hold.since > Self.patience && server.state.isLinked
            if hold.isAnswered, isDue, now >= hold.notBefore {
                release(partition, hold, to: server)
            } else {
                expire(partition, now)
            }
        }
    }

    private func release(_ partition: Int, _ hold: PartitionHold, to server: RedisServer) {
        var hold = hold
        holds[partition] = nil
        held.remove(partition)
        if hold.from !== server {
            // Answers of the old server that came since are what the new one is to have, too.
            let positions = hold.from.acknowledged.extract(PartitionSet(CollectionOfOne(partition)))
            server.inherited.merge(positions) { _, new in new }
            if server.link.isUp, !positions.isEmpty { server.reviewInherited() }
        }
        for waiting in hold.sentBack + hold.unsent + hold.later.takeAll() {
            server.publishAgain(waiting)
        }
    }

    private func expire(_ partition: Int, _ now: MonotonicTime) {
        guard var hold = holds[partition] else { return }
        var gone = hold.sentBack.filter { $0.until <= now }
        hold.sentBack.removeAll { $0.until <= now }
        if now - hold.since > hold.from.configuration.publishWait {
            gone += hold.unsent
            hold.unsent = []
        }
        gone += hold.later.expired(now: now)
        holds[partition] = hold
        for waiting in gone { refuse(waiting.ticket, .isolated) }
    }

    /// One that its server did not answer goes before those that wait for the server that has its partition now.
    func isHeld(_ waiting: PublishBuffer.Waiting, from server: RedisServer) -> Bool {
        guard !holds.isEmpty else { return false }
        let partition = RedisPartition.of(waiting.publication.channel)
        guard let hold = holds[partition], hold.from === server else { return false }
        self.hold(partition, at: server, waiting)
        return true
    }

    /// One that waits at a server that has left.
    func publishElsewhere(_ waiting: PublishBuffer.Waiting) {
        topology.server(for: waiting.publication.channel).publishAgain(waiting)
    }

    /// The node ends: nothing waits any more.
    func refuseHeld() {
        for var (_, hold) in holds {
            for waiting in hold.sentBack + hold.unsent + hold.later.takeAll() { refuse(waiting.ticket, .isolated) }
        }
        holds = [:]
        held = .none
    }
}

extension RedisServer {
    /// A publication that had been sent, or had waited, at another server, or here while its slot was moving.
    func publishAgain(_ waiting: PublishBuffer.Waiting) {
        if case .linked = state {
            if waiting.publication.channel.isReserved { noteReserved(waiting.publication) }
            return publishNow(waiting)
        }
        publish(waiting.publication, waiting.history, waiting.ticket)
    }

    /// A command was refused because of its slot: it is carried out at the server that has it, or later.
    ///
    /// - Returns: Whether that is so.
    func isRedirected(_ expected: ReplyQueue.Expected, _ text: String) -> Bool {
        guard let redirect = ClusterRedirect(text, asked: host) else { return false }
        if case .moved(let slot, let place) = redirect, let partition = RedisPartition.bySlot[slot] {
            owner.topology.moved(partition, to: place)
        } else {
            owner.topology.hurry()
        }
        let isMoving = redirect == .later
        switch expected {
        case .plain(let waiting):
            owner.hold(RedisPartition.of(waiting.publication.channel), at: self, waiting, pause: isMoving)
        case .keep(let batch):
            for waiting in batch {
                owner.hold(RedisPartition.of(waiting.publication.channel), at: self, waiting, pause: isMoving)
            }
        case .read(let query, let completion):
            guard !isMoving, !replies.wasRepeat else { return false }
            let next = owner.topology.server(for: query.channel)
            let before = next.replies.appended
            next.read(query, completion: completion)
            if next.replies.appended > before { next.replies.markRepeat() }
        case .presence(let reply): owner.refused(reply, text)
        case .beat, .lease, .nodeMessage, .pong: break
        // Whoever waits for the others is told. The key of the layout of before is mostly elsewhere, which is good.
        default: return false
        }
        return true
    }

    /// Positions that another server acknowledged: are they still there?
    func reviewInherited() {
        let positions = inherited
        inherited = [:]
        review(positions)
    }
}

extension RedisPartition {
    /// The partition whose tag has a slot.
    static let bySlot: [Int: Int] = Dictionary(
        tags.enumerated().map { (RedisSlot.of(Array($0.element.utf8)), $0.offset) },
        uniquingKeysWith: { first, _ in first })
}
