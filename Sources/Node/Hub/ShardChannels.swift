package import Codec

/// Subscribing and unsubscribing.
///
/// A subscription is noted at once, but joins the roster only when it is confirmed, that is when the interest is held:
/// nobody is told "subscribed" before everything published afterwards is sure to arrive.
extension Shard {
    package enum SubscribeRefusal: Error, Equatable {
        case alreadySubscribed
        case tooManyChannels
        case notPermitted
    }

    /// Marks a subscription that is not in a roster yet.
    static var unplaced: UInt32 { .max }

    func makeChannel(_ name: ChannelName) -> ShardChannel {
        let index = freeChannels.popLast() ?? UInt32(channelsByIndex.count)
        let channel = ShardChannel(name: name, index: index, rule: settings.rules.rule(for: name))
        if index == channelsByIndex.count {
            channelsByIndex.append(channel)
        } else {
            channelsByIndex[Int(index)] = channel
        }
        channels[name] = channel
        return channel
    }

    /// Notes a subscription and sees that it gets confirmed: `confirmed` is called, now or later.
    ///
    /// - Parameter isGranted: Whether a token, or the node itself, says that the session may.
    func subscribe(
        _ slot: UInt32, to name: ChannelName, command: UInt32, isGranted: Bool = false
    ) throws(SubscribeRefusal) {
        let session = session(slot)
        let channel = channels[name]
        if let channel, session.pointee.subscriptions.index(of: channel.index) != nil { throw .alreadySubscribed }
        if !name.isReserved {
            let isInEverybody = session.pointee.subscriptions.index(of: Self.everybody) != nil
            let own = (isInEverybody ? 1 : 0) + (credentials(slot)?.user == nil ? 0 : 1)
            if session.pointee.subscriptions.count - own >= settings.channelsPerSession {
                counters.channelLimitHits += 1
                throw .tooManyChannels
            }
            let rule = channel?.rule ?? settings.rules.rule(for: name)
            guard rule.allowsSubscribe(to: name, credentials(slot)) || (isGranted && rule.subscribe != .nobody) else {
                throw .notPermitted
            }
        }

        let subscribed = channel ?? makeChannel(name)
        subscribed.subscribers += 1
        session.pointee.subscriptions.append(.init(channel: subscribed.index, place: Self.unplaced))
        noteExpiry(slot, subscribed)
        if let pendingPast { pasts[PastKey(slot: slot, channel: subscribed.index)] = pendingPast }
        if subscribed.interest == .held {
            confirmed(slot, subscribed, command: command)
        } else {
            subscribed.waiting.append(
                .init(slot: slot, generation: session.pointee.generation, command: command))
            if channel == nil {
                subscribed.leavesAtJoin = leaves
                request(.join(name))
            }
        }
    }

    /// The backplane holds the channel now.
    ///
    /// A confirmation that set out before the last `leave` of this channel arrived there is about a subscription that
    /// is gone; the one asked for since has its own on the way.
    func held(_ name: ChannelName, leaves: UInt64) {
        guard let channel = channels[name], channel.interest != .held, leaves >= channel.leavesAtJoin else { return }
        channel.interest = .held
        let waiting = channel.waiting
        channel.waiting = []
        for entry in waiting {
            guard let session = table.find(entry.slot, generation: entry.generation),
                session.pointee.subscriptions.index(of: channel.index) != nil
            else { continue }
            confirmed(entry.slot, channel, command: entry.command)
        }
    }

    /// From here on the session gets what is published.
    func join(_ slot: UInt32, _ channel: ShardChannel) {
        let session = session(slot)
        let variant = Int(session.pointee.variant.rawValue)
        let place = channel.rosters[variant].append(.init(slot: slot, since: channel.nextSequence))
        session.pointee.subscriptions.move(channel: channel.index, to: place)
        enterPresence(slot, channel)
    }

    /// "Everybody" is the first channel of every reactor.
    static var everybody: UInt32 { 0 }

    /// The session is one of everybody from here on.
    func joinEverybody(_ slot: UInt32) {
        let channel = channelsByIndex[Int(Self.everybody)]!
        session(slot).pointee.subscriptions.append(.init(channel: channel.index, place: Self.unplaced))
        join(slot, channel)
    }

    /// Ends a subscription.
    ///
    /// - Parameter isFinal: Whether the client does not come back at once.
    /// - Returns: Whether there was one.
    @discardableResult
    func unsubscribe(_ slot: UInt32, from name: ChannelName, isFinal: Bool = true) -> Bool {
        guard let channel = channels[name], name != .all else { return false }
        let session = session(slot)
        guard let index = session.pointee.subscriptions.index(of: channel.index) else { return false }
        let place = session.pointee.subscriptions[index].place
        session.pointee.subscriptions.remove(at: index)
        if !expiries.isEmpty { expiries[slot]?[channel.index] = nil }
        if !pasts.isEmpty { pasts[PastKey(slot: slot, channel: channel.index)] = nil }
        leavePresence(slot, channel, place: place, isFinal: isFinal)
        leave(channel, variant: session.pointee.variant, place: place)
        return true
    }

    func unsubscribeFromAll(_ slot: UInt32) {
        let session = session(slot)
        for index in 0..<session.pointee.subscriptions.count {
            let subscription = session.pointee.subscriptions[index]
            guard let channel = channelsByIndex[Int(subscription.channel)] else { continue }
            if !pasts.isEmpty { pasts[PastKey(slot: slot, channel: channel.index)] = nil }
            leavePresence(slot, channel, place: subscription.place, isFinal: false)
            leave(channel, variant: session.pointee.variant, place: subscription.place)
        }
        session.pointee.subscriptions.removeAll()
        if !expiries.isEmpty { expiries[slot] = nil }
    }

    private func leave(_ channel: ShardChannel, variant: Variant, place: UInt32) {
        if place != Self.unplaced {
            let slots = slots
            let index = channel.index
            channel.rosters[Int(variant.rawValue)].remove(at: place) { slot, place in
                slots[Int(slot)].subscriptions.move(channel: index, to: place)
            }
        }
        if channel.name != .all { channel.subscribers -= 1 }
        if channel.subscribers == 0 { forget(channel) }
    }

    private func forget(_ channel: ShardChannel) {
        channel.waiting = []
        let before = channel.backlogBytes
        channel.backlog = []
        channel.backlogBytes = 0
        noteBacklog(of: channel, before: before)
        channels[channel.name] = nil
        channelsByIndex[Int(channel.index)] = nil
        freeChannels.append(channel.index)
        leaves += 1
        request(.leave(channel.name))
    }

    /// How many sessions on this reactor are subscribed to a channel.
    package func subscribers(of name: ChannelName) -> Int {
        if name == .all { return table.count }
        return channels[name]?.subscribers ?? 0
    }
}
