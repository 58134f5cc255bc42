import Codec
import Reactor

/// The channels of a shard: who is subscribed here, and what subscribers are told of history and presence.
///
/// A subscription is noted at once, but joins the roster only when it is confirmed, that is when the interest is held:
/// nobody is told "subscribed" before everything published afterwards is sure to arrive.
final class Channels: ShardPart, @unchecked Sendable {
    private(set) var byName: [ChannelName: ShardChannel] = [:]
    private(set) var byIndex: [ShardChannel?] = []
    private var freeIndexes: [UInt32] = []
    /// How many channels were given up: dates the confirmations that come back.
    private var leaves: UInt64 = 0
    /// Numbers the subscriptions that wait.
    var nextSubscription: UInt64 = 0
    /// Bytes of all filters here.
    var filterBytes = 0

    // Whom it calls; the shard makes all of them and owns them.
    unowned(unsafe) private(set) var io: SessionIO!
    unowned(unsafe) private(set) var life: SessionLife!
    unowned(unsafe) private(set) var commands: Commands!
    unowned(unsafe) private(set) var fanOut: FanOut!
    unowned(unsafe) private(set) var admittance: Admittance!
    unowned(unsafe) private(set) var serverCommands: ServerCommands!

    func attach(
        io: SessionIO, life: SessionLife, commands: Commands, fanOut: FanOut, admittance: Admittance,
        serverCommands: ServerCommands
    ) {
        self.serverCommands = serverCommands
        self.io = io
        self.life = life
        self.commands = commands
        self.fanOut = fanOut
        self.admittance = admittance
    }

    enum SubscribeRefusal: Error, Equatable {
        case alreadySubscribed
        case tooManyChannels
        case notPermitted
        /// The client wants to recover or nothing, and the channel keeps no history.
        case unrecoverable
        case filtersNotAllowed
        /// The session has too many filters, or the reactor has.
        case tooManyFilters
    }

    /// Marks a subscription that is not in a roster yet.
    static var notInRoster: UInt32 { .max }

    /// "Everybody" is the first channel of every reactor.
    static var everybody: UInt32 { 0 }

    /// "Everybody" is there from the start, and stays though nobody is subscribed.
    func start() {
        let everybody = makeChannel(.all)
        everybody.interest = .confirmed
        everybody.subscribers = 1
    }

    private func makeChannel(_ name: ChannelName) -> ShardChannel {
        let index = freeIndexes.popLast() ?? UInt32(byIndex.count)
        let channel = ShardChannel(
            name: name, index: index, rule: context.settings.rules.rule(for: name), now: reactor.now)
        if index == byIndex.count {
            byIndex.append(channel)
        } else {
            byIndex[Int(index)] = channel
        }
        byName[name] = channel
        return channel
    }

    /// What is known of a subscription when it is asked for.
    struct Subscribing {
        /// None when the node subscribes the session.
        var reply = ReplyID.none
        /// Whether a token, or the node itself, says that the session may.
        var isGranted = false
        /// What the client knows of the channel; nil for one that begins now.
        var since: SeenPosition?
        /// It wants no subscription when it cannot have what it missed.
        var rejectsUnrecovered = false
        /// When the token that opened it ends, in seconds since 1970, `.max` for never; nil when no token did.
        var expiresAt: Int64?
        /// It takes publications as deltas, where the channel has them.
        var takesDeltas = false
        /// Which publications it wants; nil for all.
        var filter: TagFilter?
        /// What an application made it for, and who waits for it.
        var given: (ServerSideSubscriptions.Given, ServerSideSubscriptions.Completion)?
    }

    /// Notes a subscription and sees that it gets confirmed: `confirmed` is called, now or later.
    func subscribe(
        _ slot: UInt32, to name: ChannelName, _ subscribing: Subscribing
    ) throws(SubscribeRefusal) {
        let session = session(slot)
        let channel = byName[name]
        if let channel, session.pointee.subscriptions.index(of: channel.index) != nil { throw .alreadySubscribed }
        if !name.isReserved {
            let isInEverybody = session.pointee.subscriptions.index(of: Self.everybody) != nil
            let own = (isInEverybody ? 1 : 0) + (credentials(slot)?.user == nil ? 0 : 1)
            if session.pointee.subscriptions.count - own >= context.settings.channelsPerSession {
                context.counters.channelLimitHits += 1
                throw .tooManyChannels
            }
            let rule = channel?.rule ?? context.settings.rules.rule(for: name)
            guard
                rule.allowsSubscribe(to: name, credentials(slot))
                    || (subscribing.isGranted && rule.subscribe != .nobody)
            else {
                throw .notPermitted
            }
            if subscribing.rejectsUnrecovered, rule.history == nil { throw .unrecoverable }
            if let filter = subscribing.filter { try checkFilter(slot, filter, rule, channel) }
        }

        let subscribed = channel ?? makeChannel(name)
        subscribed.subscribers += 1
        session.pointee.subscriptions.append(.init(channel: subscribed.index, rosterIndex: Self.notInRoster))
        if let expiresAt = subscribing.expiresAt { noteExpiry(slot, subscribed, expiresAt) }
        if let (given, settled) = subscribing.given { serverCommands.subscribing(slot, subscribed, given, settled) }
        if subscribing.reply.isExpected || subscribing.since != nil {
            expect(
                slot, subscribed, subscribing.reply, since: subscribing.since,
                rejectsUnrecovered: subscribing.rejectsUnrecovered, form: form(slot, subscribed, subscribing))
        }
        if subscribed.interest == .confirmed {
            confirmed(slot, subscribed, subscribing.reply)
        } else {
            subscribed.waiting[slot] = .init(generation: session.pointee.generation, reply: subscribing.reply)
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
    func interestConfirmed(_ name: ChannelName, leaves: UInt64) {
        guard let channel = byName[name], channel.interest != .confirmed, leaves >= channel.leavesAtJoin else { return }
        channel.interest = .confirmed
        let waiting = channel.waiting
        channel.waiting = [:]
        for (slot, entry) in waiting {
            guard let session = context.table.find(slot, generation: entry.generation),
                session.pointee.subscriptions.index(of: channel.index) != nil
            else { continue }
            confirmed(slot, channel, entry.reply)
        }
    }

    /// From here on the session gets what is published. Once: whoever is in the roster stays where it is.
    ///
    /// - Parameter form: That of a subscription that was awaited and is no more; nil for that of one that still is.
    func join(_ slot: UInt32, _ channel: ShardChannel, as form: SubscriptionForm? = nil) {
        let session = session(slot)
        guard session.pointee.phase == .open, let index = session.pointee.subscriptions.index(of: channel.index) else {
            return fault("a session joins a channel it is not subscribed to")
        }
        guard session.pointee.subscriptions[index].rosterIndex == Self.notInRoster else {
            return fault("a session joins a channel twice")
        }
        let rosterIndex = channel.rosters.append(
            .init(slot: slot, generation: session.pointee.generation, since: channel.nextSequence),
            speaking: session.pointee.variant, as: form ?? pendingSubscription(slot, channel)?.form ?? .all)
        session.pointee.subscriptions.move(channel: channel.index, to: rosterIndex)
        if channel.kind != .kept { fanOut.boundKernel(session) }
        takePending(slot, channel)
        enterPresence(slot, channel)
        if events.wants(.subscribed), !channel.name.isReserved, !isMoving(slot) {
            note(.subscribed, slot, channel.name)
        }
        if session.pointee.linkage.isCounting { life.joined(slot, channel) }
        serverCommands.joined(slot, channel)
    }

    /// Whether the session is on its way from one node to another: it is subscribed to its channels all the time.
    private func isMoving(_ slot: UInt32) -> Bool {
        guard session(slot).pointee.linkage.isCounting else { return false }
        let resumption = extras(slot)?.resumption
        return session(slot).pointee.linkage == .arriving || resumption?.handover != nil || resumption?.hasMoved == true
    }

    /// The session is one of everybody from here on.
    func joinEverybody(_ slot: UInt32) {
        guard let channel = byIndex[Int(Self.everybody)] else { return fault("there is no everybody") }
        guard session(slot).pointee.subscriptions.index(of: channel.index) == nil else {
            return fault("a session is one of everybody twice")
        }
        session(slot).pointee.subscriptions.append(.init(channel: channel.index, rosterIndex: Self.notInRoster))
        join(slot, channel)
    }

    /// Whether it is one of everybody: it has logged in and is not being closed.
    func isOneOfEverybody(_ slot: UInt32) -> Bool {
        session(slot).pointee.subscriptions.index(of: Self.everybody) != nil
    }

    /// Ends a subscription.
    ///
    /// - Parameter isFinal: Whether the client does not come back at once.
    /// - Returns: Whether there was one.
    @discardableResult
    func unsubscribe(_ slot: UInt32, from name: ChannelName, isFinal: Bool = true) -> Bool {
        guard let channel = byName[name], name != .all else { return false }
        let session = session(slot)
        guard let index = session.pointee.subscriptions.index(of: channel.index) else { return false }
        let rosterIndex = session.pointee.subscriptions[index].rosterIndex
        session.pointee.subscriptions.remove(at: index)
        if let extras = extras(slot) {
            extras.expiries[channel.index] = nil
            extras.tokens[channel.index] = nil
        }
        dropFilter(slot, channel)
        let pending = takePending(slot, channel)
        serverCommands.left(slot, channel)
        if rosterIndex == Self.notInRoster { channel.waiting[slot] = nil }
        leavePresence(slot, channel, rosterIndex: rosterIndex, isFinal: isFinal)
        leave(channel, slot, variant: session.pointee.variant, rosterIndex: rosterIndex)
        // Every command is answered: a `subscribe` that is taken back before it was confirmed is, too.
        if let pending, pending.reply.isExpected { io.fail(slot, pending.reply, .temporary) }
        return true
    }

    func unsubscribeFromAll(_ slot: UInt32) {
        let session = session(slot)
        for index in 0..<session.pointee.subscriptions.count {
            let subscription = session.pointee.subscriptions[index]
            guard let channel = byIndex[Int(subscription.channel)] else { continue }
            dropFilter(slot, channel)
            takePending(slot, channel)
            serverCommands.left(slot, channel)
            if subscription.rosterIndex == Self.notInRoster { channel.waiting[slot] = nil }
            leavePresence(slot, channel, rosterIndex: subscription.rosterIndex, isFinal: false)
            leave(channel, slot, variant: session.pointee.variant, rosterIndex: subscription.rosterIndex)
        }
        session.pointee.subscriptions.removeAll()
        extras(slot)?.expiries = [:]
        extras(slot)?.tokens = [:]
    }

    func leave(_ channel: ShardChannel, _ slot: UInt32, variant: Variant, rosterIndex: UInt32) {
        if rosterIndex != Self.notInRoster {
            let slots = slots
            let index = channel.index
            let isGone = channel.rosters.remove(slot, at: rosterIndex, speaking: variant) { slot, rosterIndex in
                slots[Int(slot)].subscriptions.move(channel: index, to: rosterIndex)
            }
            guard isGone else { return fault("a session is not where the roster has it") }
            if events.wants(.unsubscribed), !channel.name.isReserved, !isMoving(slot) {
                note(.unsubscribed, slot, channel.name)
            }
            if channel.base != nil, !channel.rosters.hasDeltas { fanOut.forgetBase(of: channel) }
        }
        if session(slot).pointee.linkage.isCounting { life.left(slot, channel) }
        if channel.name != .all { channel.subscribers -= 1 }
        if channel.subscribers == 0 { forget(channel) }
    }

    private func forget(_ channel: ShardChannel) {
        channel.waiting = [:]
        let before = channel.backlogBytes
        channel.backlog = []
        channel.backlogBytes = 0
        fanOut.noteBacklog(of: channel, before: before)
        fanOut.forgetBase(of: channel)
        byName[channel.name] = nil
        byName.giveBack()
        byIndex[Int(channel.index)] = nil
        freeIndexes.append(channel.index)
        leaves += 1
        request(.leave(channel.name))
    }

    /// How many sessions on this reactor are subscribed to a channel.
    func subscribers(of name: ChannelName) -> Int {
        if name == .all { return context.table.count - context.awaitedPolls }
        return byName[name]?.subscribers ?? 0
    }
}

extension Channels.SubscribeRefusal {
    var failure: Failure {
        switch self {
        case .alreadySubscribed: .alreadySubscribed
        case .tooManyChannels, .tooManyFilters: .limitExceeded
        case .notPermitted: .permissionDenied
        case .unrecoverable: .unrecoverable
        case .filtersNotAllowed: .invalidFilter
        }
    }

    /// The key of the limit that decided, for the log.
    var limit: String? {
        switch self {
        case .tooManyChannels: "limits.channels_per_session"
        case .tooManyFilters: "limits.filter_bytes"
        case .alreadySubscribed, .notPermitted, .unrecoverable, .filtersNotAllowed: nil
        }
    }
}
