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
    /// What a reactor asks for.
    package enum Request: Sendable {
        case join(ChannelName)
        case leave(ChannelName)
        case publish(Publication, PublishTicket)
        /// Where a history channel stands, for somebody who joins it.
        case place(ChannelName, PlaceRequest)
        case read(HistoryQuery, PlaceRequest)
        case enter(ChannelName, PresenceMember, PresenceSettings)
        case depart(ChannelName, SessionID, isFinal: Bool)
        case presence(PresenceQuery, PlaceRequest)
    }

    /// What a reactor is told.
    package enum Notice: Sendable {
        case delivered(Publication)
        /// The channel is held; `leaves` says how many of the reactor's `leave`s were heard before that.
        case held(ChannelName, leaves: UInt64)
        case published(PublishTicket, PublishOutcome)
        case link(isUp: Bool, isCongested: Bool)
        case placed(ChannelName, PlaceRequest, Placement)
        case read(PlaceRequest, Result<HistoryPage, PublishRefusal>)
        /// Publications of a history channel are gone for good: its subscribers have to be told.
        case lost(ChannelName)
        case presence(PresenceQuery, PlaceRequest, Result<PresencePage, PublishRefusal>)
    }

    /// A channel that some reactor of this node has subscribers of.
    final class Interest {
        let name: ChannelName
        /// For channels whose publications are kept.
        var history: ChannelKeeper?
        var isHeld = false
        /// A bit for each reactor.
        var reactors: UInt64 = 0

        init(_ name: ChannelName) { self.name = name }
    }

    package let home: Reactor
    let backplane: any Backplane
    private let rules: ChannelRules
    /// Whether any channel has history at all.
    private let keepsHistory: Bool
    private var shards: [Shard] = []
    private var outboxes: [[Notice]] = []
    /// How many `leave`s were heard from each reactor: the clock by which a `held` is dated.
    private var leaves: [UInt64] = []
    private(set) var interests: [ChannelName: Interest] = [:]
    /// Publications of one read, so that a page stays small whatever they are.
    let pageSize: Int
    /// Reads of history, gaps found, and publications that could not be had any more.
    var historyCounters = HistoryCounters()
    var isChecking = false
    /// What is being compared since the link came back.
    var healing: Healing?
    /// Tells operators.
    package var report: ((LinkEventLevel, String) -> Void)?
    /// Channels whose ends are still to be compared in this round.
    var unchecked: [ChannelName] = []
    /// The channel of the last publication: bursts mostly stay on one channel, and a comparison is cheaper than a hash.
    private var last: Interest?
    private var waiters: [UInt64: @Sendable (PublishOutcome) -> Void] = [:]
    private var nextWaiter: UInt64 = 1
    package private(set) var isLinked = false
    private var isCongested = false
    /// Publications that came from the backplane with a session's name on them that is not here any more.
    package private(set) var undeliverable: UInt64 = 0

    /// The most reactors a node can have: a bit each.
    package static let maximumReactors = 64

    /// - Parameter messageBytes: The largest message.
    package init(home: Reactor, backplane: any Backplane, rules: ChannelRules, messageBytes: Int) {
        self.home = home
        self.backplane = backplane
        self.rules = rules
        keepsHistory = rules.rules.contains { $0.history != nil }
        pageSize = max(1, min(RecentWindow.maximumPublications, (4 << 20) / max(1, messageBytes)))
    }

    var tracksPresence: Bool { rules.rules.contains { $0.presence != nil } }

    /// Whether the subscribers of a channel are told who comes and goes.
    func announcesPresence(in name: ChannelName) -> Bool {
        !name.isReserved && rules.rule(for: name).presence?.announces ?? false
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
        outboxes = Array(repeating: [], count: shards.count)
        leaves = Array(repeating: 0, count: shards.count)
        // "Everybody" is held by the backplane itself and by every reactor, always.
        let everybody = Interest(.all)
        everybody.isHeld = true
        everybody.reactors = shards.count == 64 ? .max : (1 << UInt64(shards.count)) - 1
        interests[.all] = everybody
    }

    package var channelCount: Int { interests.count }

    // MARK: From the reactors

    package func received(_ request: Request, from reactor: Int) {
        switch request {
        case .join(let name): join(name, from: reactor)
        case .leave(let name): leave(name, from: reactor)
        case .publish(let publication, let ticket):
            backplane.publish(publication, history: historySettings(of: publication.channel), ticket: ticket)
        case .place(let name, let request): place(name, request)
        case .read(let query, let request):
            backplane.read(query) { [weak self] result in self?.tell(request.reactor, .read(request, result)) }
        case .enter(let name, let member, let settings): backplane.enter(member, name, settings)
        case .depart(let name, let session, let isFinal): backplane.leave(session, name, isFinal: isFinal)
        case .presence(let query, let request):
            backplane.presence(query) { [weak self] result in
                self?.tell(request.reactor, .presence(query, request, result))
            }
        }
    }

    private func join(_ name: ChannelName, from reactor: Int) {
        let interest: Interest
        if let known = interests[name] {
            interest = known
        } else {
            interest = Interest(name)
            if !name.isReserved, let settings = rules.rule(for: name).history {
                interest.history = ChannelKeeper(name, settings, now: home.now)
            }
            interests[name] = interest
        }
        let isFirst = interest.reactors == 0
        interest.reactors |= 1 << UInt64(reactor)
        if interest.isHeld {
            tell(reactor, .held(name, leaves: leaves[reactor]))
        } else if isFirst {
            backplane.hold(name)
        }
    }

    private func leave(_ name: ChannelName, from reactor: Int) {
        leaves[reactor] += 1
        guard let interest = interests[name] else { return }
        interest.reactors &= ~(1 << UInt64(reactor))
        guard interest.reactors == 0 else { return }
        interests[name] = nil
        if healing != nil { settled(name) }
        if last === interest { last = nil }
        backplane.release(name)
    }

    /// Publishes for the control plane; `completion` is called once, on the home reactor.
    package func publish(_ publication: Publication, completion: @escaping @Sendable (PublishOutcome) -> Void) {
        let waiter = nextWaiter
        nextWaiter += 1
        waiters[waiter] = completion
        backplane.publish(
            publication, history: historySettings(of: publication.channel), ticket: .waiter(waiter))
    }

    // MARK: To the reactors

    func tell(_ reactor: Int, _ notice: Notice) {
        if shards[reactor].reactor === home {
            shards[reactor].received(notice)
        } else {
            outboxes[reactor].append(notice)
        }
    }

    private func tellLink() {
        for reactor in shards.indices { tell(reactor, .link(isUp: isLinked, isCongested: isCongested)) }
    }

    package func turn() -> Bool {
        if backplane.isCongested != isCongested {
            isCongested.toggle()
            tellLink()
        }
        for reactor in outboxes.indices where !outboxes[reactor].isEmpty {
            let notices = outboxes[reactor]
            outboxes[reactor] = []
            outboxes[reactor].reserveCapacity(min(notices.count, 1024))
            let shard = shards[reactor]
            shard.reactor.post { for notice in notices { shard.received(notice) } }
        }
        return false
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
        if let history = interest.history, publication.position != nil {
            return arrived(publication, interest, history)
        }
        deliver(publication, to: interest)
    }

    @inline(__always)
    func deliver(_ publication: Publication, to interest: Interest) {
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
        let reactor = Int(Locator(id.locator).reactor)
        guard reactor < shards.count else {
            undeliverable += 1
            return
        }
        tell(reactor, .delivered(publication))
    }

    package func held(_ channel: ChannelName) {
        guard let interest = interests[channel], !interest.isHeld else { return }
        interest.isHeld = true
        if let history = interest.history { begin(interest, history) }
        var left = interest.reactors
        while left != 0 {
            let reactor = left.trailingZeroBitCount
            left &= left - 1
            tell(reactor, .held(channel, leaves: leaves[reactor]))
        }
    }

    package func published(_ ticket: PublishTicket, _ outcome: PublishOutcome) {
        if ticket.waiter != 0 {
            waiters.removeValue(forKey: ticket.waiter)?(outcome)
        } else if Int(ticket.reactor) < shards.count {
            tell(Int(ticket.reactor), .published(ticket, outcome))
        }
    }

    package func linkChanged(isUp: Bool) {
        guard isUp != isLinked else { return }
        isLinked = isUp
        tellLink()
        if isUp { doubtEverything() }
    }
}
