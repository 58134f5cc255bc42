package import Backplane
package import Codec
package import Reactor

/// Where the reactors of a node meet: knows which reactor has subscribers of which channel, asks the backplane for
/// the union of that, and hands each publication to the reactors concerned.
///
/// Lives on the backplane's home reactor. Everything that goes from here to another reactor goes through one ordered
/// list per reactor, posted once per turn, so "you are subscribed" can never overtake a publication or be overtaken
/// by one, and a thousand publications cost one wake-up.
package final class Exchange: TurnWork, @unchecked Sendable {
    /// A channel that some reactor of this node has subscribers of.
    final class Interest {
        let name: ChannelName
        /// For channels whose publications are kept.
        var history: ChannelKeeper?
        var isConfirmed = false
        /// The cluster is to know whether anybody is subscribed.
        var isOccupancyKnown = false
        /// A bit for each reactor.
        var reactors: UInt64 = 0
        /// Those of the control plane who read along.
        var taps: [ChannelTap] = []

        /// Whether anybody here wants what is published.
        var isHeld: Bool { reactors != 0 || !taps.isEmpty }

        init(_ name: ChannelName) { self.name = name }
    }

    package let home: Reactor
    let backplane: any Backplane
    /// Replaced as a whole by a reload (`ExchangeRules`).
    var rules: ChannelRules
    /// Whether any channel has history at all.
    var keepsHistory: Bool
    /// Whether a rule has, or had since the start, presence; what is left of it has to be cleared away, so it stays true.
    var tracksPresence: Bool
    /// The same of occupancy.
    var tracksOccupancy: Bool
    /// A reload's rules on their way to the channels that are open.
    var ruleChange: RuleChange?
    private(set) var shards: [Shard] = []
    private var outboxes: [NoticeQueue] = []
    /// Takes the place of what a shard of the home reactor is being told, so that its room is used again.
    private var spare = NoticeQueue()
    /// How many `leave`s were heard from each reactor: the clock by which a `held` is dated.
    private var leaves: [UInt64] = []
    private(set) var interests: [ChannelName: Interest] = [:]
    /// Channels in which somebody of the control plane reads along.
    var tapped: Set<ChannelName> = []
    /// Every read of history that may bring publications goes through here.
    let historyReads: HistoryReads
    /// What somebody gets at once when it comes back, at the most, in bytes with the envelopes.
    var recoveryBytes: Int
    /// What happens on the home reactor, for those who listen.
    let events: EventCollector
    /// Reads of history, gaps found, and publications that could not be had any more.
    var historyCounters = HistoryCounters()
    var isChecking = false
    /// What is being compared since the link came back.
    var healing: Healing?
    /// Brings commands to a session of another node; the completion is called once, on the home reactor.
    package var forward: ((CommandRequest, @escaping @Sendable (CommandRequest.Verdict) -> Void) -> Void)?
    /// Asks a node, or all others, for a session; the completion is called once, on the home reactor.
    package var askNodes: ((HandoverQuestion, NodeID?, @escaping HandoverAsking.Completion) -> Void)?
    /// Where sessions of this node are that commands find by their ids.
    var sessionsByID: [SessionID.Secret: Locator] = [:]
    /// Sessions that are asked for what waits, and have ended.
    var polled = PolledSessions()
    /// Looks for such a session on other nodes; what becomes of it comes through `pollAnswered` and `nobodyHas`.
    var forwardPoll: ((PollRequest, Int64, Locator) -> Void)?
    /// Nobody waits any more for what becomes of a connection's request.
    var withdrawPoll: ((Locator) -> Void)?
    /// Whether another node may begin such a session, as far as this one is concerned.
    var letBegin: ((SessionID.Secret, NodeID) -> Bool)?
    /// When this node began, and when another one was lost, in milliseconds since 1970.
    let startedAt = Int64(clamping: WallClock.milliseconds)
    var lostNodeAt: Int64 = 0
    /// Requests about records of sessions that failed.
    var recordsFailed: UInt64 = 0
    /// Sessions that were on this node and are on another one.
    var movedSessions = MovedSessions()
    /// Tells operators.
    package var report: ((LinkEventLevel, String) -> Void)?
    /// Channels whose ends are still to be compared in this round.
    var unchecked: [ChannelName] = []
    /// The channel of the last publication: bursts mostly stay on one channel, and a comparison is cheaper than a hash.
    private var last: Interest?
    private var waiters: [UInt64: @Sendable (PublishOutcome) -> Void] = [:]
    private var nextWaiter: UInt64 = 1
    package private(set) var reach = Reach.nowhere
    /// Publications that came from the backplane with a session's name on them that is not here any more.
    package private(set) var undeliverable: UInt64 = 0

    /// The most reactors a node can have: a bit each.
    package static let maximumReactors = 64

    /// What an envelope adds to a publication, in most cases.
    private static let envelopeBytes = 256

    /// - Parameters:
    ///   - messageBytes: The largest message.
    ///   - outboundBytes: What may wait for a session; half of it is for what it missed.
    package init(
        home: Reactor, backplane: any Backplane, rules: ChannelRules, messageBytes: Int, outboundBytes: Int = 1 << 20,
        reads: HistoryReads.Limits = .init(), events: EventCollector = EventCollector()
    ) {
        self.events = events
        self.home = home
        self.backplane = backplane
        self.rules = rules
        keepsHistory = rules.keepHistory
        tracksPresence = rules.havePresence
        tracksOccupancy = rules.tellOccupancy
        recoveryBytes = Self.recoveryBytes(outboundBytes)
        historyReads = HistoryReads(limits: reads, messageBytes: messageBytes) { backplane.read($0, completion: $1) }
    }

    static func recoveryBytes(_ outboundBytes: Int) -> Int {
        min(HistoryQuery.maximumBytes, outboundBytes / 2 + Channels.recoveredPublications * envelopeBytes)
    }

    /// How a channel has presence, by its rule.
    func presenceSettings(of name: ChannelName) -> PresenceSettings? {
        name.isReserved ? nil : rules.rule(for: name).presence
    }

    /// What is kept of a channel, by its rule.
    func historySettings(of name: ChannelName) -> HistorySettings? {
        guard keepsHistory, !name.isReserved else { return nil }
        if let last, last.name == name { return last.history?.settings }
        if let known = interests[name] { return known.history?.settings }
        return rules.rule(for: name).history
    }

    package func attach(_ shards: [Shard]) {
        precondition(shards.count <= Self.maximumReactors)
        self.shards = shards
        outboxes = Array(repeating: NoticeQueue(), count: shards.count)
        leaves = Array(repeating: 0, count: shards.count)
        // "Everybody" is held by the backplane itself and by every reactor, always.
        let everybody = Interest(.all)
        everybody.isConfirmed = true
        everybody.reactors = shards.count == 64 ? .max : (1 << UInt64(shards.count)) - 1
        interests[.all] = everybody
    }

    /// Channels with subscribers, "everybody" among them.
    package var channelCount: Int { interests.count - tapped.count { interests[$0]?.reactors == 0 } }

    // MARK: From the reactors

    package func received(_ request: Request, from reactor: Int) {
        switch request {
        case .join(let name): join(name, from: reactor)
        case .leave(let name): leave(name, from: reactor)
        case .publish(let publication, let history, let ticket): publish(publication, history, ticket)
        case .beginning(let name, let request): findBeginning(name, request)
        case .read(let query, let request): readPage(query, request)
        case .enter(let name, let member, let settings): backplane.enter(member, name, settings)
        case .depart(let name, let session, let isFinal): backplane.leave(session, name, isFinal: isFinal)
        case .enterQuietly(let name, let member, let settings): backplane.enterQuietly(member, name, settings)
        case .departQuietly(let name, let session): backplane.leaveQuietly(session, name)
        case .carry(let request, let asker): carry(request, from: asker)
        case .carried(let verdict, let asker): carried(verdict, asker)
        case .opened(let id, let locator): sessionsByID[id] = locator
        case .closed(let id, let locator): sessionClosed(id, locator)
        case .userGroups(let user, let session):
            backplane.userGroups(.list, of: user) { [self] result in
                self.tell(Int(session.reactor), .userGroups(session, try? result.get()))
            }
        case .resume(let wanted): resume(wanted)
        case .resumable(let place, let connection): resumable(place, for: connection)
        case .moved(let connection, let place): moved(connection, to: place)
        case .answerHandover(let answer, let asker): backplane.answer(answer, id: asker.question, to: asker.node)
        case .record(let wanted, let id, let step, let place): record(wanted, of: id, step, for: place)
        case .takeRecord(let id, let owner, let connection): takeRecord(of: id, owner, for: connection)
        case .readMissed(let name, let since, let top, let most, let connection):
            readMissed(name, since: since, until: top, most: most, for: connection)
        case .lookForMarks(let names, let connection): lookForMarks(names, for: connection)
        case .handedOver(let id, let node): movedSessions.insert(id, to: node)
        case .askHandover(let question, let node, let connection): ask(question, node, for: connection)
        case .fence(let name, let fence, let connection): putFence(fence, in: name, for: connection)
        case .poll(let request, let issuedAt, let connection):
            poll(request, issuedAt: issuedAt, from: .connection(connection))
        case .pollAnswered(let id, let answer, let asker): pollAnswered(answer, id, asker)
        case .pollSettled(let settled, let source, let connection): settlePoll(settled, source, connection)
        case .pollGone(let id, let source, let connection): pollGone(id, source, connection)
        case .pollsEnding(let id, let locator): pollsEnding(id, locator)
        case .pollsOver(let id, let locator): pollsOver(id, locator)
        case .presence(let query, let request):
            backplane.presence(query) { [self] result in
                self.tell(request.reactor, .presence(query, request, result))
            }
        }
    }

    @inline(__always)
    func publish(_ publication: Publication, _ history: HistorySettings?, _ ticket: PublishTicket) {
        backplane.publish(publication, history: history, ticket: ticket)
    }

    /// The interest in a channel, made if there was none.
    func interest(for name: ChannelName) -> Interest {
        if let known = interests[name] { return known }
        let interest = Interest(name)
        if !name.isReserved {
            let rule = rules.rule(for: name)
            if let settings = rule.history {
                interest.history = ChannelKeeper(name, settings, now: home.now)
            }
            interest.isOccupancyKnown = rule.isOccupancyKnown
        }
        interests[name] = interest
        return interest
    }

    private func join(_ name: ChannelName, from reactor: Int) {
        let interest = interest(for: name)
        let isHeld = interest.isHeld
        let isFirst = interest.reactors == 0
        interest.reactors |= 1 << UInt64(reactor)
        if isFirst, interest.isOccupancyKnown { backplane.occupy(name) }
        if interest.isConfirmed {
            tell(reactor, .interestConfirmed(name, leaves: leaves[reactor]))
        } else if !isHeld {
            backplane.addInterest(name)
        }
    }

    private func leave(_ name: ChannelName, from reactor: Int) {
        leaves[reactor] += 1
        guard let interest = interests[name] else { return }
        interest.reactors &= ~(1 << UInt64(reactor))
        guard interest.reactors == 0 else { return }
        if interest.isOccupancyKnown { backplane.vacate(name) }
        guard interest.isHeld else { return giveUp(interest) }
        // Somebody of the control plane reads along: the next subscriber comes under the rule of now.
        if !name.isReserved { interest.isOccupancyKnown = rules.rule(for: name).isOccupancyKnown }
    }

    /// Nobody here wants what is published in a channel.
    func giveUp(_ interest: Interest) {
        let name = interest.name
        interests[name] = nil
        interests.giveBack()
        if healing != nil { settled(name) }
        if last === interest { last = nil }
        backplane.dropInterest(name)
    }

    /// Publishes for the control plane; `completion` is called once, on the home reactor.
    ///
    /// - Parameter isKept: Whether a channel that keeps history keeps this.
    package func publish(
        _ publication: Publication, isKept: Bool = true, completion: @escaping @Sendable (PublishOutcome) -> Void
    ) {
        let waiter = nextWaiter
        nextWaiter += 1
        waiters[waiter] = completion
        if !isKept, publication.extras?.fence == nil { backplane.mark(publication.channel) }
        backplane.publish(
            publication, history: isKept ? historySettings(of: publication.channel) : nil, ticket: .waiter(waiter))
    }

    // MARK: To the reactors

    func tell(_ reactor: Int, _ notice: Notice) {
        outboxes[reactor].append(notice)
    }

    /// Whether something waits for a shard on the home reactor.
    func hasNotices(for reactor: Int) -> Bool { !outboxes[reactor].isEmpty }

    /// Tells a shard on the home reactor what waits for it, in its turn. What is said meanwhile waits for the next one.
    func takeNotices(for reactor: Int) {
        guard !outboxes[reactor].isEmpty else { return }
        var notices = spare
        spare = NoticeQueue()
        swap(&notices, &outboxes[reactor])
        notices.tell(shards[reactor])
        spare = notices
    }

    private func tellLink() {
        for reactor in shards.indices { tell(reactor, .link(reach)) }
    }

    package func turn() -> Bool {
        let isReviewing = ruleChange != nil && reviewRules()
        let congested = backplane.congested
        if congested != reach.congested {
            reach.congested = congested
            tellLink()
        }
        for reactor in outboxes.indices where !outboxes[reactor].isEmpty && shards[reactor].reactor !== home {
            let notices = outboxes[reactor]
            outboxes[reactor] = NoticeQueue()
            let shard = shards[reactor]
            shard.reactor.post {
                var notices = notices
                notices.tell(shard)
            }
        }
        return isReviewing
    }
}

// MARK: - What the backplane says

extension Exchange {
    package func delivered(_ publication: Publication) {
        if publication.channel.isReserved, publication.channel.isConnection {
            return deliverToConnection(publication)
        }
        let interest: Interest
        if let last, last.name == publication.channel {
            interest = last
        } else {
            // Not ours any more: a release is under way, or it lingers.
            guard let known = interests[publication.channel] else { return }
            interest = known
            last = known
        }
        if publication.extras?.fence != nil { return passFence(publication, interest) }
        if let history = interest.history, publication.position != nil {
            return arrived(publication, interest, history)
        }
        deliver(publication, to: interest)
    }

    @inline(__always)
    func deliver(_ publication: Publication, to interest: Interest) {
        if !interest.taps.isEmpty { for tap in interest.taps { tap.delivered(publication) } }
        var left = interest.reactors
        while left != 0 {
            let reactor = left.trailingZeroBitCount
            left &= left - 1
            tell(reactor, .delivered(publication))
        }
    }

    private func deliverToConnection(_ publication: Publication) {
        guard let id = SessionID(connectionChannel: publication.channel) else {
            undeliverable += 1
            return
        }
        if let moved = whereabouts(of: id) {
            let renamed = publication.renamed(.connection(moved))
            if moved.node == node {
                tell(Int(Locator(moved.locator).reactor), .delivered(renamed))
            } else {
                publish(renamed, isKept: false) { _ in }
            }
            return
        }
        let reactor = Int(Locator(id.locator).reactor)
        guard reactor < shards.count else {
            undeliverable += 1
            return
        }
        tell(reactor, .delivered(publication))
    }

    package func interestConfirmed(_ channel: ChannelName) {
        guard let interest = interests[channel], !interest.isConfirmed else { return }
        interest.isConfirmed = true
        if let history = interest.history { begin(interest, history) }
        for tap in interest.taps { tap.confirmed() }
        var left = interest.reactors
        while left != 0 {
            let reactor = left.trailingZeroBitCount
            left &= left - 1
            tell(reactor, .interestConfirmed(channel, leaves: leaves[reactor]))
        }
    }

    package func published(_ ticket: PublishTicket, _ outcome: PublishOutcome) {
        if ticket.waiter != 0 {
            waiters.removeValue(forKey: ticket.waiter)?(outcome)
        } else if Int(ticket.reactor) < shards.count {
            if case .accepted(nil) = outcome {
                outboxes[Int(ticket.reactor)].append(accepted: ticket)
            } else {
                tell(Int(ticket.reactor), .published(ticket, outcome))
            }
        }
    }

    /// The link came up or broke, in some channels or in all of them.
    package func linkChanged(_ linked: PartitionSet, isReady: Bool) {
        guard linked != reach.linked || isReady != reach.isReady else { return }
        let regained = linked.subtracting(reach.linked)
        reach.linked = linked
        reach.isReady = isReady
        tellLink()
        if !regained.isEmpty { doubt(regained) }
    }
}

// MARK: - What listeners are told

extension Exchange {
    func occupancyChanged(of channel: ChannelName, isOccupied: Bool, order: UInt64) {
        let kind: EventKinds = isOccupied ? .channelOccupied : .channelVacated
        if events.wants(kind) { events.append(NodeEvent(kind, channel: channel, details: .occupancy(order: order))) }
    }

    func memberChanged(_ change: PresenceChange, _ member: PresenceMember, in channel: ChannelName) {
        let kind: EventKinds = change == .join ? .memberJoined : .memberLeft
        guard events.wants(kind) else { return }
        events.append(
            NodeEvent(
                kind, session: member.session,
                user: member.user.map { ForeignText(String(decoding: $0, as: UTF8.self)) },
                channel: channel, details: .member(info: member.info)))
    }
}
