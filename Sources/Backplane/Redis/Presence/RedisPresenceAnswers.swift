package import Codec

/// What a reply of the presence scripts is about.
package enum PresenceReply {
    case entered(ChannelName, SessionID)
    case left(LocalPresence.Departure)
    /// Nodes that have members in a partition.
    case listed(Int)
    /// Whether a node of a partition has a lease.
    case leased(NodeID, Int)
    case stale(NodeID, Int)
    case reaped(ChannelName)
    case present(PresenceQuery)
    /// The mark that this node was taken for dead is gone.
    case forgiven
    /// The mark is set that everybody was told.
    case marked
    /// Whether the mark is still there.
    case checked
    /// Of the channels that have subscribers.
    case occupancy(OccupancyReply)

    package var calls: RedisScript? {
        switch self {
        case .entered: .enter
        case .left: .leave
        case .stale: .stale
        case .reaped: .reap
        case .present: .present
        case .occupancy(let reply): reply.calls
        case .listed, .leased, .forgiven, .marked, .checked: nil
        }
    }
}

/// What becomes of the replies to presence scripts.
extension RedisBackplane {
    func answered(_ reply: PresenceReply, _ value: RESPValue) {
        if case .error(let text) = value { return refused(reply, text) }
        switch reply {
        case .entered(let channel, let session):
            presence.here.told(session, channel)
            presence.outbox.answered()
            if value == .integer(1), let receiver, receiver.followsMembers,
                let member = presence.here.member(session, in: channel)?.member
            {
                receiver.memberChanged(.join, member, in: channel)
            }
            tellMore()
        case .left(let departure):
            presence.outbox.answered()
            if value == .integer(1), let receiver, receiver.followsMembers {
                receiver.memberChanged(.leave, departure.member, in: departure.channel)
            }
            tellMore()
        case .forgiven, .marked: break
        case .checked: if value == .integer(0) { presenceLost() }
        case .listed(let partition): listed(partition, value)
        case .leased(let node, let partition): leased(node, partition, value)
        case .stale(let node, let partition): reap(node, partition, value)
        case .reaped(let channel): reaped(value, channel)
        case .occupancy(let reply): answered(reply, value)
        case .present(let query): answer(query, page(query, value))
        }
    }

    /// Redis refused it: what has to be known is said again, in the next second.
    func refused(_ reply: PresenceReply, _ text: String) {
        if case .present(let query) = reply { return answer(query, .failure(.medium(text))) }
        if case .occupancy(let reply) = reply { return refusedOccupancy(reply) }
        // The mark is asked for again in the next second.
        switch reply {
        case .marked, .checked: return
        default: break
        }
        if case .entered(let channel, let session) = reply { presence.here.refused(session, channel) }
        presence.outbox.isPaused = true
        presence.hasFailed = true
        unanswered(reply)
    }

    /// It was not carried out, or the link broke before the answer: what has to be known is said again later.
    func unanswered(_ reply: PresenceReply) {
        switch reply {
        case .entered(let channel, let session):
            presence.outbox.answered()
            // After a break everybody is told anyway.
            if topology.server(for: channel).link.isUp {
                presence.outbox.came(.init(channel: channel, session: session))
            }
        case .left(let departure):
            presence.outbox.answered()
            presence.outbox.left(departure)
        case .present(let query): answer(query, .failure(.isolated))
        case .reaped, .listed, .leased, .stale: presence.reaping.ended()
        case .occupancy(let reply): unanswered(reply)
        case .forgiven, .marked, .checked: break
        }
    }
}
