import Codec
import Reactor

/// The node's own channels on a server of a Redis Cluster: beats, what is meant for this node alone, and what is meant for everybody. There
/// is one of each for each partition, because a shard channel lives in a slot, and any of them may be the one that a node can be reached by.
extension RedisServer {
    /// Subscribes to the node's own channels in these partitions. The link is whole when all of them are confirmed.
    func join(_ wanted: PartitionSet) {
        guard subscriber.isOpen else { return }
        interest.unblock(wanted)
        for partition in wanted.partitions {
            joining.insert(partition)
            var channels = [names.beat(in: partition)]
            if RedisPartition.of(.all) == partition { channels.append(names.channel(.all)) }
            // The last one: when it is confirmed, the others are.
            channels.append(names.own(in: partition))
            output.removeAll()
            RESPWriter.command([Array((isSharded ? "SSUBSCRIBE" : "SUBSCRIBE").utf8)] + channels, to: output)
            subscriberReplies.append(.joinPartition(partition, count: channels.count))
            subscriber.write(output.bytes)
        }
        subscribeMore()
    }

    /// A partition is joined.
    func joined(_ name: [UInt8]) {
        guard let partition = name.withUnsafeBytes({ names.partition(ofPubsub: $0) }) else { return }
        joining.remove(partition)
        if state.subscriptions == .away {
            state.heardItsOwn()
            subscriber.settled()
            // At once, not at the next tick: the link is up when this one is heard.
            sendBeat()
        }
        if joining.isEmpty { state.joined() }
    }

    /// The partition of one of the node's own channels, as a channel of that partition: only the partition counts.
    func ownChannel(of name: [UInt8]) -> ChannelName? {
        name.withUnsafeBytes { names.isOwn($0) || names.isBeat($0) } ? ChannelName(trusted: name) : nil
    }

    // MARK: Slots that leave

    /// The server ended a subscription by itself: the slot is at another server now (Redis documentation, `SSUBSCRIBE`).
    func slotLeft(_ channel: ChannelName, _ name: [UInt8]) {
        guard let partition = name.withUnsafeBytes({ names.partition(ofPubsub: $0) }) else { return }
        interest.ended(channel)
        lost(partition)
    }

    /// Another server has a partition, or may have: nothing is asked for here until the topology says where it is.
    private func lost(_ partition: Int) {
        guard partitions.contains(partition) else { return }
        if !interest.blocked.contains(partition) {
            interest.block(partition)
            blockedAt[partition] = home.now
            owner.settled(self)
        }
        owner.topology.hurry()
    }

    /// A command on the subscriber connection was refused because of its slot.
    ///
    /// - Returns: Whether that is so.
    func isRedirected(_ command: SubscriberReplies.Command, _ text: String) -> Bool {
        if isSharded, text.contains("unknown command") {
            useClassicPubSub(text)
            return true
        }
        guard let redirect = ClusterRedirect(text, asked: host) else { return false }
        let partition: Int
        switch command {
        case .joinPartition(let number, _):
            joining.insert(number)
            partition = number
        case .subscribe(let channels):
            interest.postponed(channels)
            guard let first = channels.first else { return true }
            partition = RedisPartition.of(first)
        case .unsubscribe: return true
        default: return false
        }
        if case .moved(_, let place) = redirect { owner.topology.moved(partition, to: place) }
        lost(partition)
        return true
    }

    /// Partitions that the topology says are here after all, a while after the server had refused them, are joined again. Once a second.
    func reviewJoining() {
        guard isInCluster, subscriber.isOpen else { return }
        let again = interest.blocked.partitions.filter { partition in
            partitions.contains(partition) && (blockedAt[partition].map { home.now - $0 >= Self.rejoinPause } ?? true)
        }
        guard !again.isEmpty else { return }
        for partition in again { blockedAt[partition] = nil }
        arriving.formUnion(PartitionSet(again))
        join(PartitionSet(again))
    }

    /// How old a refusal has to be before a report that says otherwise is newer.
    private static var rejoinPause: Duration { .seconds(1) }

    /// The server has no sharded pub/sub: it tells all servers of its cluster of each message, which costs the more the more there are.
    private func useClassicPubSub(_ text: String) {
        isSharded = false
        let reason =
            "Redis at \(addressText) has no sharded pub/sub (\(text)), so each message goes to all servers of the cluster: upgrade to Redis 7.0 or later"
        receiver?.happened(.warning, reason)
        subscriber.fail(reason)
        commands.fail(reason)
    }

    /// Where it is, without the port.
    var host: String {
        if case .tcp(let host, _)? = address?.endpoint { host } else { "" }
    }

    // MARK: Partitions that come and go

    /// Partitions that are this server's from now on, with the channels in them that are wanted.
    func take(_ moved: PartitionSet, _ channels: [(channel: ChannelName, isConfirmed: Bool)]) {
        partitions.formUnion(moved)
        for (channel, isConfirmed) in channels { interest.adopt(channel, isConfirmed: isConfirmed) }
        guard subscriber?.isOpen ?? false else { return }
        arriving.formUnion(moved)
        guard isInCluster else {
            subscribeMore()
            return reviewInterest()
        }
        join(moved)
    }

    /// Partitions that another server has from now on: their channels are not listened to any more. In a cluster, the server sees to that.
    func giveUp(_ partitions: PartitionSet) {
        let subscribed = interest.subscriptions(in: partitions)
        _ = interest.extract(partitions)
        unsubscribe(subscribed)
    }

    /// Partitions in which everything that this node publishes through the server comes back.
    var linkedPartitions: PartitionSet {
        guard link.isUp else { return .none }
        var linked = partitions
        linked.subtract(arriving)
        linked.subtract(interest.blocked)
        return linked
    }
}
