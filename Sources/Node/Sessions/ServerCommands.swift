import Authentication
import Codec
import Reactor

/// Commands of applications about sessions (`SessionAction`): subscribing, unsubscribing, ending and refreshing them.
///
/// A session that is just connecting has its command carried out right after it is open, for a client understands nothing
/// before that. A session that is subscribed already, or is about to be, has what is asked for and keeps its one membership.
final class ServerCommands: ShardPart, @unchecked Sendable {
    private let subscriptions = ServerSideSubscriptions()

    // Whom it calls; the shard makes all of them and owns them.
    unowned(unsafe) private(set) var io: SessionIO!
    unowned(unsafe) private(set) var life: SessionLife!
    unowned(unsafe) private(set) var channels: Channels!
    unowned(unsafe) private(set) var admittance: Admittance!

    func attach(io: SessionIO, life: SessionLife, channels: Channels, admittance: Admittance) {
        self.io = io
        self.life = life
        self.channels = channels
        self.admittance = admittance
    }

    /// How long a subscription may take to be confirmed. Less than the asking node waits for its answer.
    static var actionTimeout: Duration { .seconds(1) }

    /// Carries an action out on every session that is meant; `completion` is called once, on this reactor.
    func act(
        _ action: SessionAction, on selection: SessionSelection,
        completion: @escaping @Sendable (SessionsActedOn) -> Void
    ) {
        let tally = ActionTally(completion)
        let meant = candidates(selection).filter { slot in
            let phase = session(slot).pointee.phase
            return (phase == .open || phase == .opening)
                && selection.includes(user: credentials(slot)?.user, id: id(of: slot))
                && (selection.hub == nil || session(slot).pointee.machine.hub == selection.hub)
        }
        // By their generations: what happens to one session may end another.
        for locator in meant.map({ locator(of: $0) }) {
            guard find(locator) != nil else { continue }
            begin(action, locator, tally)
        }
        tally.begun()
        guard tally.isOpen else { return }
        reactor.schedule(after: Self.actionTimeout) { tally.timeIsUp() }
    }

    /// The sessions to look at: where one is named, or a user whose sessions are all in the roster of the user's channel, not all
    /// there are.
    private func candidates(_ selection: SessionSelection) -> [UInt32] {
        if let client = selection.client { return SessionID(client).flatMap { find($0) }.map { [$0] } ?? [] }
        if let name = selection.channel.map({ ChannelName(trusted: Array($0.utf8)) }) {
            guard let channel = channels.byName[name] else { return [] }
            return subscribers(of: channel).filter { rosterIndex($0, in: channel) != nil }
        }
        guard let user = selection.user, let name = ChannelName.user(user.text) else {
            return everybody
        }
        return channels.byName[name].map(subscribers) ?? []
    }

    private var everybody: [UInt32] { Array(0..<UInt32(context.table.used)) }

    /// All subscribers of a channel, and others where some of them are just connecting.
    private func subscribers(of channel: ShardChannel) -> [UInt32] {
        var found: [UInt32] = []
        channel.rosters.forEach { found.append($0.slot) }
        return found.count == channel.subscribers ? found : everybody
    }

    private func begin(_ action: SessionAction, _ locator: Locator, _ tally: ActionTally) {
        let slot = locator.slot
        switch action {
        case .disconnect(let code, let reason):
            disconnect(slot, code: code, reason: reason)
            tally.expect()(nil)
        case .expire:
            expire(slot)
            tally.expect()(nil)
        case .subscribe, .unsubscribe, .leaveGroups, .refresh:
            let session = session(slot)
            // A client that logs in with a command and has not done so is nobody's session yet.
            guard session.pointee.machine.isLoggedIn else { return }
            let settled = tally.expect()
            guard isConnecting(slot) else { return carryOut(action, slot, settled) }
            subscriptions.whenOpen(slot) { [self] isOpen in
                guard isOpen, tally.isOpen else { return settled(.temporary) }
                self.carryOut(action, slot, settled)
            }
        }
    }

    /// Whether a session is known and is not told yet that it is connected.
    private func isConnecting(_ slot: UInt32) -> Bool {
        session(slot).pointee.phase == .opening || extras(slot)?.connecting != nil
    }

    private func carryOut(
        _ action: SessionAction, _ slot: UInt32, _ settled: @escaping ServerSideSubscriptions.Completion
    ) {
        switch action {
        case .subscribe(let channel, let data, let epoch, let offset, let expiresAt):
            guard let name = try? ChannelName(validating: channel.utf8) else { return settled(.notPermitted) }
            let since = offset.map {
                SeenPosition(ClientPosition(epoch: Array((epoch ?? "").utf8), offset: ClientOffset(clamping: $0)))
            }
            let given = ServerSideSubscriptions.Given(data: data.map { Array($0.utf8) })
            subscribe(slot, to: name, given, since: since, expiresAt: expiresAt, settled)
        case .unsubscribe(let channel):
            let name = channel.map { ChannelName(trusted: Array($0.utf8)) }
            settled(takeAway(slot) { name == nil || $0 == name })
        case .leaveGroups:
            guard let hub = session(slot).pointee.machine.hub.flatMap({ context.settings.hubs.rule($0) }) else {
                return settled(nil)
            }
            settled(takeAway(slot, where: hub.isGroup))
        case .refresh(let expiresAt):
            refresh(slot, expiresAt: expiresAt.map(Self.moment))
            settled(nil)
        case .disconnect, .expire:
            settled(nil)
        }
    }

    /// Seconds since 1970 that another node may have said: between 0 and 2^53, so that nothing overflows.
    private static func moment(_ seconds: Int64) -> Int64 { max(0, min(seconds, 1 << 53)) }

    // MARK: Subscribing

    private func subscribe(
        _ slot: UInt32, to name: ChannelName, _ given: ServerSideSubscriptions.Given, since: SeenPosition?,
        expiresAt: Int64?, _ settled: @escaping ServerSideSubscriptions.Completion
    ) {
        if let channel = channels.byName[name], let rosterIndex = rosterIndex(slot, in: channel) {
            // It may still wait for its confirmation: then so does whoever asks for it now.
            guard rosterIndex == Channels.notInRoster else { return settled(nil) }
            return subscriptions.whenSettled(SubscriptionKey(slot, channel), settled)
        }
        let rule = channels.byName[name]?.rule ?? context.settings.rules.rule(for: name)
        guard since == nil || rule.history != nil else { return settled(.unrecoverable) }
        // Nobody can bring a new token for it, so it does not last for those who would.
        let slack = context.gatekeeper.leeway + context.gatekeeper.grace.components.seconds
        let end = expiresAt.map { Self.moment($0) - slack }
        let generation = session(slot).pointee.generation
        do throws(Channels.SubscribeRefusal) {
            try channels.subscribe(
                slot, to: name, .init(isGranted: true, since: since, expiresAt: end, given: (given, settled)))
        } catch {
            return settled(error.ofServer)
        }
        guard let channel = channels.byName[name], rosterIndex(slot, generation, in: channel) == Channels.notInRoster,
            let number = subscriptions.given(SubscriptionKey(slot, channel))?.number
        else { return }
        reactor.schedule(after: Self.actionTimeout) { [self] in
            guard self.channels.byName[name] === channel,
                self.rosterIndex(slot, generation, in: channel) == Channels.notInRoster,
                self.subscriptions.given(SubscriptionKey(slot, channel))?.number == number
            else { return }
            self.context.counters.subscribeTimeouts += 1
            self.channels.unsubscribe(slot, from: name)
        }
    }

    /// Where a session is in a channel's roster; nil when it is not subscribed.
    private func rosterIndex(_ slot: UInt32, in channel: ShardChannel) -> UInt32? {
        let subscriptions = session(slot).pointee.subscriptions
        return subscriptions.index(of: channel.index).map { subscriptions[$0].rosterIndex }
    }

    private func rosterIndex(_ slot: UInt32, _ generation: UInt32, in channel: ShardChannel) -> UInt32? {
        context.table.find(slot, generation: generation) == nil ? nil : rosterIndex(slot, in: channel)
    }

    /// Whether an application made this subscription: its client cannot subscribe anew by itself.
    func isGiven(_ slot: UInt32, _ channel: ShardChannel) -> Bool {
        subscriptions.given(SubscriptionKey(slot, channel)) != nil
    }

    /// A subscription is made for an application.
    func subscribing(
        _ slot: UInt32, _ channel: ShardChannel, _ given: ServerSideSubscriptions.Given,
        _ settled: @escaping ServerSideSubscriptions.Completion
    ) {
        subscriptions.give(given, SubscriptionKey(slot, channel), settled)
    }

    /// A subscription has ended.
    func left(_ slot: UInt32, _ channel: ShardChannel) {
        if !subscriptions.isEmpty { subscriptions.settle(SubscriptionKey(slot, channel), .temporary) }
    }

    /// Does something with a session that is just connecting, once it is open or over.
    func whenOpen(_ slot: UInt32, _ work: @escaping (_ isOpen: Bool) -> Void) { subscriptions.whenOpen(slot, work) }

    /// A session is open, or is over.
    func sessionSettled(_ slot: UInt32, isOpen: Bool) { subscriptions.settle(slot, isOpen: isOpen) }

    /// A subscription with history that an application made learns where it begins, or that nobody can tell.
    func begins(_ slot: UInt32, _ channel: ShardChannel, _ answer: BeginningAnswer, _ since: SeenPosition?) {
        let key = SubscriptionKey(slot, channel)
        guard let beginning = channels.beginning(answer, since, channel, slot) else {
            context.counters.subscribeTimeouts += 1
            channels.unsubscribe(slot, from: channel.name)
            return
        }
        guard since == nil || beginning.isRecovered == true else {
            subscriptions.settle(key, .unrecoverable)
            channels.unsubscribe(slot, from: channel.name)
            return
        }
        subscriptions.begins(at: beginning.position, key)
        channels.join(slot, channel)
        io.send(slot) { io.writePublications(beginning.missed, for: slot, to: $0) }
    }

    /// A session has joined a channel: where an application had it join, the client is told before anything else of it.
    func joined(_ slot: UInt32, _ channel: ShardChannel) {
        guard !subscriptions.isEmpty else { return }
        let key = SubscriptionKey(slot, channel)
        if let given = subscriptions.given(key) {
            io.tell(slot, .subscriptionBegan(channel.name, at: given.position, data: given.data))
        }
        subscriptions.settle(key, nil)
    }

    // MARK: Unsubscribing

    /// Ends subscriptions.
    ///
    /// - Returns: Why not, where a session could not be told that what it asked for has ended.
    private func takeAway(_ slot: UInt32, where isMeant: (ChannelName) -> Bool) -> SessionRefusal? {
        let locator = locator(of: slot)
        var refusal: SessionRefusal?
        let subscriptions = session(slot).pointee.subscriptions
        let taken = (0..<subscriptions.count).compactMap { channels.byIndex[Int(subscriptions[$0].channel)] }
            .filter { !$0.name.isReserved && isMeant($0.name) }
        for channel in taken {
            guard let session = find(locator), session.pointee.phase == .open
            else { break }
            if session.pointee.traits.hasCommands {
                channels.endSubscription(slot, channel.name, .requested)
            } else if isGiven(slot, channel) {
                channels.unsubscribe(slot, from: channel.name)
            } else {
                refusal = .wordless
            }
        }
        return refusal
    }

    // MARK: Ending and refreshing

    /// Codes below 4000 belong to protocols with commands; other dialects get that of an operator's close.
    private func disconnect(_ slot: UInt32, code: UInt16, reason: String) {
        let code = session(slot).pointee.traits.hasCommands ? code : max(4000, code)
        guard session(slot).pointee.phase == .open else {
            return turnAway(slot, code: "disconnected", message: reason.isEmpty ? "force disconnect" : reason)
        }
        life.end(slot, .requested(CloseCode(rawValue: code), reason: reason))
    }

    /// The session ends as it does when its token expires.
    private func expire(_ slot: UInt32) {
        guard session(slot).pointee.phase == .open else {
            return turnAway(slot, code: "token_expired", message: "the token has expired: get a new one")
        }
        context.counters.expired += 1
        life.end(slot, .tokenExpired)
    }

    /// The session's token is revoked. Bringing another one is up to a new connection.
    func revoke(_ slot: UInt32) {
        context.counters.revoked += 1
        guard session(slot).pointee.phase == .open else {
            return turnAway(slot, code: "token_revoked", message: "\(TokenError.revoked)")
        }
        life.end(slot, .tokenInvalid)
    }

    /// A request that waits for its channels is refused.
    private func turnAway(_ slot: UInt32, code: String, message: String) {
        let session = session(slot)
        extras(slot)?.opening = nil
        _ = admittance.takeConnecting(slot)
        subscriptions.settle(slot, isOpen: false)
        channels.unsubscribeFromAll(slot)
        session.pointee.flags.remove(.parked)
        io.updateInterest(slot)
        admittance.refuse(slot, HTTPError(status: 403, code: code, message: message))
    }

    private func refresh(_ slot: UInt32, expiresAt: Int64?) {
        let known = credentials(slot)
        // The user stays the same, so there is always room for it.
        _ = admittance.assume(
            Credentials(
                user: known?.user, expiresAt: expiresAt, channels: known?.channels ?? [], grants: known?.grants ?? [],
                info: known?.info, token: known?.token, isByToken: known?.isByToken ?? true), slot)
        io.tell(slot, .expiryMoved(timeToLive: timeToLive(expiresAt)))
    }
}

extension Channels.SubscribeRefusal {
    fileprivate var ofServer: SessionRefusal? {
        switch self {
        case .alreadySubscribed: nil
        case .tooManyChannels, .tooManyFilters: .limit
        // Applications ask for no filters.
        case .notPermitted, .filtersNotAllowed: .notPermitted
        case .unrecoverable: .unrecoverable
        }
    }
}
