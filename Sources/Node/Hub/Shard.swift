import Backplane
package import Codec
package import Logging
package import Reactor

/// One reactor's share of the node: its sessions, the channels they are subscribed to and the passes that serve them.
///
/// Nothing here is shared with another reactor, so nothing is locked. What crosses over goes through the `Exchange`. The shard
/// makes its parts and hands on to them what its reactor and the exchange call it for; it has no other state.
package final class Shard: ShardPart, ReactorHandler, TurnWork, @unchecked Sendable {
    let io: SessionIO
    let life: SessionLife
    let commands: Commands
    let channels: Channels
    let fanOut: FanOut
    let admittance: Admittance
    let polls: Polls
    let serverCommands: ServerCommands
    let ruleReview: RuleReview
    let revocationReview: RevocationReview

    package init(
        reactor: Reactor, index: Int, node: NodeID, settings: ShardSettings, exchange: Exchange, admission: Admission,
        gatekeeper: Gatekeeper, tls: TLSServer?, events: EventCollector = EventCollector()
    ) {
        let context = ShardContext(
            reactor: reactor, index: index, node: node, settings: settings, exchange: exchange, admission: admission,
            gatekeeper: gatekeeper, events: events)
        io = SessionIO(context)
        life = SessionLife(context)
        commands = Commands(context)
        channels = Channels(context)
        fanOut = FanOut(context)
        admittance = Admittance(context, tls: tls)
        polls = Polls(context)
        serverCommands = ServerCommands(context)
        ruleReview = RuleReview(context)
        revocationReview = RevocationReview(context)
        super.init(context)
        io.attach(life: life, commands: commands, fanOut: fanOut, admittance: admittance, polls: polls)
        life.attach(
            io: io, channels: channels, admittance: admittance, polls: polls, serverCommands: serverCommands)
        commands.attach(io: io, life: life, channels: channels, fanOut: fanOut, admittance: admittance)
        channels.attach(
            io: io, life: life, commands: commands, fanOut: fanOut, admittance: admittance,
            serverCommands: serverCommands)
        fanOut.attach(io: io, channels: channels, admittance: admittance)
        admittance.attach(
            io: io, life: life, channels: channels, polls: polls, serverCommands: serverCommands)
        polls.attach(io: io, life: life, fanOut: fanOut, admittance: admittance)
        serverCommands.attach(io: io, life: life, channels: channels, admittance: admittance)
        ruleReview.attach(life: life, channels: channels, fanOut: fanOut, serverCommands: serverCommands)
        revocationReview.attach(life: life, channels: channels, serverCommands: serverCommands)
    }

    /// On the reactor, once, before the first connection.
    package func start() {
        context.handler = context.reactor.add(handler: self)
        context.reactor.add(turnWork: self)
        io.chooseSendPath()
        channels.start()
    }

    package var log: Logger? {
        get { context.log }
        set { context.log = newValue }
    }

    /// Whether one more connection can be taken, open files and slots considered.
    package var hasRoom: Bool { context.table.count < context.table.capacity && context.admission.hasRoom }
    package var isSecure: Bool { admittance.tls != nil }
    package var sessionCount: Int { context.table.count }
    package var channelCount: Int { channels.byName.count - 1 }

    // MARK: The reactor's doors

    /// A client has connected.
    ///
    /// - Parameter isSecure: Whether it begins with TLS, behind a PROXY header if there is one.
    package func accepted(_ descriptor: Int32, from peer: SocketAddress, isSecure: Bool) {
        admittance.accepted(descriptor, from: peer, isSecure: isSecure)
    }

    package func ready(slot: UInt32, generation: UInt32, readiness: Readiness) {
        guard let session = context.table.find(slot, generation: generation) else { return }
        if session.pointee.phase == .securing {
            if io.isInputDue(slot, session) { admittance.secure(slot, session) }
            return
        }
        if readiness.contains(.writable), session.pointee.flags.contains(.blocked) {
            io.resumeWriting(slot, session)
            // A connection that is gone is dropped.
            guard context.table.find(slot, generation: generation) != nil else { return }
        }
        if readiness.contains(.readable) {
            if io.isInputDue(slot, session) { io.read(slot, session) }
        } else if !readiness.isDisjoint(with: [.hangup, .error]) {
            life.drop(slot)
        }
    }

    package func timerFired(slot: UInt32, generation: UInt32, tag: UInt8) {
        guard context.table.find(slot, generation: generation) != nil, let alarm = SessionAlarm(rawValue: tag)
        else { return }
        life.timerFired(alarm, slot)
    }

    package func turn() -> Bool {
        // What the exchange says on the home reactor waits for this, as it does on the others: so nothing that a shard does is
        // answered while it is doing it.
        let isHome = context.exchange.home === context.reactor
        context.hasAsked = false
        if isHome { context.exchange.takeNotices(for: context.index) }
        let isInputLeft = io.runInput()
        let isReviewLeft = ruleReview.isUnderWay && ruleReview.run()
        let isRevokingLeft = revocationReview.isUnderWay && revocationReview.run()
        context.sendRequests()
        let isMore = fanOut.runPasses()
        io.closeFailed()
        commands.armDebts()
        io.flushDirty()
        // Closing sessions gives channels up, and passes make room for publishers: that goes out in this turn too.
        context.sendRequests()
        events.flush()
        // The link and the exchange had their turn before this one: what they were asked for now leaves in the next, and that is not
        // to wait for the next event.
        return isMore || isInputLeft || isReviewLeft || isRevokingLeft
            || (isHome && (context.hasAsked || context.exchange.hasNotices(for: context.index)))
    }

    // MARK: The exchange's doors

    /// A publication was accepted, and has no position.
    @inline(__always)
    func accepted(_ ticket: PublishTicket) { commands.published(ticket, .accepted(nil)) }

    package func received(_ notice: Exchange.Notice) {
        switch notice {
        case .delivered(let publication): fanOut.delivered(publication)
        case .interestConfirmed(let name, let leaves): channels.interestConfirmed(name, leaves: leaves)
        case .published(let ticket, let outcome): commands.published(ticket, outcome)
        case .begins(let name, let request, let answer): channels.begins(name, request, answer)
        case .read(let request, let result): channels.historyRead(request, result)
        case .lost(let name, let top): channels.lost(name, at: top)
        case .presence(let query, let request, let result): channels.presenceRead(query, request, result)
        case .carry(let request, let asker): admittance.take(request, from: asker)
        case .carried(let locator, let verdict): admittance.carried(locator, verdict)
        case .userGroups(let locator, let groups): admittance.joinGroups(locator, groups)
        case .resume(let wanted, let place):
            request(.resumable(life.isResumable(place, wanted) ? place : nil, wanted.connection))
        case .resumable(let place, let connection): life.found(place, for: connection)
        case .moved(let connection, let place): life.take(connection, for: place)
        case .handOver(let question, let place, let asker): life.handOver(question, place, to: asker)
        case .handoverAnswered(let question, let connection, let node, let answer):
            switch (question.what, node) {
            case (.claim, let node?): life.claimed(connection, at: node, fence: question.fence, answer)
            case (.claim, nil): life.lookForRecord(connection)
            case (.fetch, _): life.fetched(connection, fence: question.fence, answer)
            }
        case .handoverFailed(let connection): life.giveUp(connection)
        case .recorded(let place, let step, let result): life.recordAnswered(place, step, result)
        case .recordTaken(let connection, let result): life.recordTaken(connection, result)
        case .missed(let connection, let name, let found): life.missedRead(connection, name, found)
        case .marked(let connection, let youngest): life.marked(connection, youngest)
        case .poll(let request, let place, let asker): polls.received(request, place, from: asker)
        case .polled(let locator, let id, let answer, let source):
            admittance.polled(locator, id, answer, by: source)
        case .pollBegins(let locator, let id): admittance.beginPolled(locator, id)
        case .link(let reach):
            let before = context.reach
            context.reach = reach
            if !reach.linked.subtracting(before.linked).isEmpty { polls.linked() }
            if reach.isBetter(than: before) { fanOut.goOn() }
        }
    }

    // MARK: The node's doors

    /// A reload: takes another snapshot of the settings, and other keys and hooks.
    ///
    /// - Parameter completion: Called once, on this reactor, when everything that is open is as the rules say.
    func use(
        _ settings: ShardSettings, _ gatekeeper: Gatekeeper, completion: @escaping (RuleReview.Outcome) -> Void
    ) {
        let isReviewed = settings.rules != context.settings.rules
        context.use(settings, gatekeeper)
        commands.lastPublished = nil
        guard isReviewed else { return completion(RuleReview.Outcome()) }
        ruleReview.begin(completion)
    }

    /// Balancers are told that this node wants no more clients; those who come are still served.
    package func beginDraining() { admittance.isDraining = true }

    /// All sessions leave, spread over a time.
    package func leave(over window: Duration) { life.leave(over: window) }

    /// The node serves again.
    package func stay() {
        admittance.isDraining = false
        life.stay()
    }

    /// Carries out what an application wants with sessions; `completion` is called once, on this reactor.
    package func act(
        _ action: SessionAction, on selection: SessionSelection,
        completion: @escaping @Sendable (SessionsActedOn) -> Void
    ) {
        serverCommands.act(action, on: selection, completion: completion)
    }

    /// Ends what tokens opened that are revoked, and known to `Revocations` as such.
    ///
    /// - Parameter completion: Called once, on this reactor, with how many sessions and subscriptions `revocation` has ended.
    func reviewRevocations(_ revocation: Revocation?, completion: @escaping @Sendable (UInt64) -> Void) {
        revocationReview.begin(revocation, completion)
    }

    /// Closes every session, for the end of the process.
    package func closeAll() { life.closeAll() }
}
