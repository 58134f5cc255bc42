import Backplane
import Codec
import Reactor

/// A subscription that is not confirmed yet, and of which more has to be remembered than that.
struct PendingSubscription {
    /// Tells it from a later one of the same session to the same channel.
    let number: UInt64
    /// None when the node subscribes the session.
    let reply: ReplyID
    /// Where the client says it is; nil for one that begins now.
    var since: SeenPosition?
    /// The client wants no subscription when it cannot have what it missed.
    let rejectsUnrecovered: Bool
    let form: SubscriptionForm
    /// The exchange was asked where it begins.
    var isAsked = false
}

/// From a subscription that is asked for to the one that is told to its client.
extension Channels {
    /// A channel of an opening session, or of an open one, is confirmed.
    func confirmed(_ slot: UInt32, _ channel: ShardChannel, _ reply: ReplyID) {
        let session = session(slot)
        switch session.pointee.phase {
        case .opening:
            guard session.pointee.unconfirmed > 0 else { return fault("a channel is confirmed twice") }
            session.pointee.unconfirmed -= 1
            if session.pointee.unconfirmed == 0 { admittance.openNow(slot) }
        case .open:
            // Opened while the node was isolated: it joined then.
            guard let index = session.pointee.subscriptions.index(of: channel.index),
                session.pointee.subscriptions[index].rosterIndex == Self.notInRoster
            else { return }
            // It is told where it begins when that is known.
            if pendingSubscription(slot, channel)?.isAsked ?? false { return }
            // One that comes from another node goes on where it was there.
            if extras(slot)?.resumption?.arrival != nil {
                if channel.rule.history != nil, !channel.name.isReserved { return askBeginning(slot, channel, .none) }
                return life.arrives(slot, channel, nil)
            }
            // One that the node subscribes is told with the reply to its `connect`, and begins there.
            if !reply.isExpected, extras(slot)?.connecting != nil {
                if channel.rule.history != nil, !channel.name.isReserved { return askBeginning(slot, channel, .none) }
                return admittance.confirmedWhileConnecting(slot, channel.name, nil)
            }
            // One that asked for it by itself is told where it stands, and begins there.
            if channel.rule.history != nil, !channel.name.isReserved,
                reply.isExpected || serverCommands.isGiven(slot, channel)
                    || extras(slot)?.resumption?.isRecorded == true
            {
                return askBeginning(slot, channel, reply)
            }
            if needsBeginning(channel, slot) { return askBeginning(slot, channel, .none) }
            let form = pendingSubscription(slot, channel)?.form ?? .all
            join(slot, channel, as: form)
            if reply.isExpected { tellSubscribed(slot, channel, reply, as: form) }
        case .free, .proxy, .securing, .head, .body, .carrying, .publishing, .polling, .authenticating, .closing:
            break
        }
    }

    /// Whether the node is linked in all channels of a session. In the others nobody can confirm anything.
    func areReached(_ slot: UInt32) -> Bool {
        guard !context.reach.linked.isAll else { return true }
        let session = session(slot)
        return (0..<session.pointee.subscriptions.count).allSatisfy {
            let index = Int(session.pointee.subscriptions[$0].channel)
            return byIndex[index].map { context.reach.includes($0.name) } ?? true
        }
    }

    func tellSubscribed(
        _ slot: UInt32, _ channel: ShardChannel, _ reply: ReplyID, as form: SubscriptionForm,
        _ beginning: Outcome.Beginning? = nil
    ) {
        let expiresAt = extras(slot)?.expiries[channel.index]
        io.tell(
            slot,
            .subscribed(
                timeToLive: timeToLive(expiresAt == .max ? nil : expiresAt), beginning, hasDeltas: form == .deltas),
            for: reply)
    }

    /// A subscribe that is not confirmed, because the node is isolated or history cannot be read, is answered with a
    /// temporary error in time for the client to try again by itself.
    func armSubscribeTimeout(_ slot: UInt32, _ name: ChannelName) {
        let session = session(slot)
        guard let channel = byName[name], let pending = pendingSubscription(slot, channel) else { return }
        let generation = session.pointee.generation
        reactor.schedule(after: Self.subscribeTimeout) { [self] in
            guard let session = self.context.table.find(slot, generation: generation),
                session.pointee.phase == .open, let channel = self.byName[name],
                self.pendingSubscription(slot, channel)?.number == pending.number
            else { return }
            self.context.counters.subscribeTimeouts += 1
            // Which answers the command.
            self.unsubscribe(slot, from: name)
        }
    }

    static var subscribeTimeout: Duration { .seconds(4) }

    /// Notes a subscription whose confirmation will be awaited.
    @discardableResult
    func expect(
        _ slot: UInt32, _ channel: ShardChannel, _ reply: ReplyID, since: SeenPosition?,
        rejectsUnrecovered: Bool = false, form: SubscriptionForm = .all
    ) -> PendingSubscription {
        nextSubscription &+= 1
        let noted = PendingSubscription(
            number: nextSubscription, reply: reply, since: since, rejectsUnrecovered: rejectsUnrecovered, form: form)
        makeExtras(slot).pending[channel.index] = noted
        return noted
    }

    func pendingSubscription(_ slot: UInt32, _ channel: ShardChannel) -> PendingSubscription? {
        extras(slot)?.pending[channel.index]
    }

    /// It is confirmed, or given up.
    @discardableResult
    func takePending(_ slot: UInt32, _ channel: ShardChannel) -> PendingSubscription? {
        guard let extras = extras(slot), let taken = extras.pending.removeValue(forKey: channel.index) else {
            return nil
        }
        tidyExtras(slot)
        return taken
    }

    /// Ends a subscription from our side.
    func endSubscription(_ slot: UInt32, _ name: ChannelName, _ ending: SubscriptionEnding) {
        guard unsubscribe(slot, from: name, isFinal: ending.isFinal) else { return }
        io.tell(slot, .subscriptionEnded(name, ending))
    }

    /// Notes when a subscription that was just made has to end.
    func noteExpiry(_ slot: UInt32, _ channel: ShardChannel, _ expiresAt: Int64) {
        makeExtras(slot).expiries[channel.index] = expiresAt
        armSubscriptionExpiry(slot, expiresAt)
    }

    func armSubscriptionExpiry(_ slot: UInt32, _ expiresAt: Int64) {
        guard expiresAt != .max else { return }
        let left =
            max(
                0,
                expiresAt - context.gatekeeper.now + context.gatekeeper.leeway
                    + context.gatekeeper.grace.components.seconds)
        arm(.subscriptionExpiry, slot, after: .seconds(min(left, 30 * 86_400)))
    }

    /// Ends the subscriptions whose tokens have expired; the client may come back with new ones.
    func checkSubscriptionExpiry(_ slot: UInt32) {
        guard let known = extras(slot)?.expiries else { return }
        let limit = context.gatekeeper.now - context.gatekeeper.leeway - context.gatekeeper.grace.components.seconds
        for (index, expiresAt) in known {
            if expiresAt > limit {
                if expiresAt != .max { armSubscriptionExpiry(slot, expiresAt) }
                continue
            }
            guard let channel = byIndex[Int(index)] else { continue }
            context.counters.expired += 1
            endSubscription(slot, channel.name, .tokenExpired)
        }
    }
}
