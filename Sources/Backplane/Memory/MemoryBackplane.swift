package import Codec
package import Reactor

/// The embedded default: one node, no Redis, the same promises.
package final class MemoryBackplane: Backplane, @unchecked Sendable {
    package let home: Reactor
    package let kind = "memory"
    package let congested = PartitionSet.none
    package private(set) var link: LinkState
    private let node: NodeID
    private var registry: NodeRegistry
    private var receiver: (any BackplaneReceiver)?
    private var interests: Set<ChannelName> = [.all]
    private var history = MemoryHistory(random: UInt64.random(in: .min ... .max))
    private var here: LocalPresence
    /// Somebody is leaving, and is looked after.
    private var isWatchingLeaving = false
    private var occupancy = OccupancyTable()
    private var isWatchingVacancies = false
    /// Changes of occupancy so far.
    private var changes: UInt64 = 0
    private var outbox = MemoryOutbox()
    private var userGroups = UserGroupTable()
    private let startedAt: UInt64

    /// How often the node asks itself for its summary, and looks through some histories for what is over.
    private static let beatInterval: Duration = .seconds(1)

    /// - Parameter presenceLeaving: How many sessions may have gone and still be present, in case they come back.
    package init(
        home: Reactor, node: NodeID, name: String, wallClock: UInt64,
        presenceLeaving: Int = LocalPresence.defaultLeaving
    ) {
        here = LocalPresence(maximumLeaving: presenceLeaving)
        self.home = home
        self.node = node
        startedAt = wallClock
        link = LinkState(since: wallClock)
        registry = NodeRegistry(own: node, name: name, now: .now())
    }

    package var nodes: [NodeRecord] { registry.nodes }

    package func start(receiver: any BackplaneReceiver) {
        self.receiver = receiver
        link.phase = .linked
        link.linked = .all
        link.isReady = true
        receiver.linkChanged(link)
        beat()
    }

    private func beat() {
        guard let receiver else { return }
        registry.update(summary: receiver.summary(), now: home.now)
        link.lastBeat = home.now
        link.roundTrip = 0
        let interests = interests
        history.sweep(now: home.now) { interests.contains($0) }
        link.historyChannels = history.channels
        home.schedule(after: Self.beatInterval) { [self] in self.beat() }
    }

    package func stop(completion: @escaping @Sendable () -> Void) {
        receiver = nil
        completion()
    }

    package func publish(_ publication: Publication, history settings: HistorySettings?, ticket: PublishTicket) {
        guard let receiver else { return }
        let key = publication.extras?.idempotencyKey
        if let key, let earlier = history.keys.position(of: key, in: publication.channel, now: home.now) {
            return receiver.published(ticket, .accepted(earlier))
        }
        link.published &+= 1
        var publication = publication
        if let settings {
            publication = history.append(publication, settings, now: home.now)
            link.historyChannels = history.channels
        }
        if let key {
            history.keys.remember(key, in: publication.channel, as: publication.position, now: home.now)
        }
        if publication.channel.isReserved || interests.contains(publication.channel) {
            link.received &+= 1
            receiver.delivered(publication)
        }
        receiver.published(ticket, .accepted(publication.position))
    }

    package func read(_ query: HistoryQuery, completion: @escaping (Result<HistoryPage, PublishRefusal>) -> Void) {
        completion(.success(history.page(query, now: home.now)))
    }

    package func removeHistory(
        of channel: ChannelName, completion: @escaping (Result<Void, PublishRefusal>) -> Void
    ) {
        history.remove(channel)
        completion(.success(()))
    }

    /// Nothing ever goes on without what was delivered.
    package func markLost(
        _ position: Position, in channel: ChannelName, completion: @escaping (Result<Void, PublishRefusal>) -> Void
    ) { completion(.success(())) }

    // MARK: Presence

    package func enter(_ member: PresenceMember, _ channel: ChannelName, _ settings: PresenceSettings) {
        let arrival = here.entered(member, channel, settings)
        guard arrival == .first || arrival == .another && settings.isPerSession, let receiver else { return }
        if receiver.followsMembers { receiver.memberChanged(.join, member, in: channel) }
        if settings.announces { receiver.delivered(Publication(.join, of: member, in: channel, origin: node)) }
    }

    package func leave(_ session: SessionID, _ channel: ChannelName, isFinal: Bool) {
        if let departure = here.left(session, channel, isFinal: isFinal, now: home.now) { announce(departure) }
        link.presenceCutShort = here.cutShort
        if here.isAnybodyLeaving, !isWatchingLeaving { watchLeaving() }
    }

    package func enterQuietly(_ member: PresenceMember, _ channel: ChannelName, _ settings: PresenceSettings) {
        let arrival = here.entered(member, channel, settings, isQuiet: true)
        guard arrival == .first || arrival == .another && settings.isPerSession, let receiver else { return }
        if receiver.followsMembers { receiver.memberChanged(.join, member, in: channel) }
    }

    package func leaveQuietly(_ session: SessionID, _ channel: ChannelName) {
        if let departure = here.leftQuietly(session, channel, now: home.now) { announce(departure) }
    }

    package func use(_ limits: BackplaneLimits) { here.maximumLeaving = limits.presenceLeaving }

    private func watchLeaving() {
        isWatchingLeaving = true
        home.schedule(after: LocalPresence.precision) { [self] in self.takeLeaving() }
    }

    private func takeLeaving() {
        let departures = here.expired(now: home.now)
        for departure in departures { announce(departure) }
        if departures.count == LocalPresence.portion {
            // A crowd: the rest after what else there is to do.
            home.post { [self] in self.takeLeaving() }
        } else if here.isAnybodyLeaving {
            watchLeaving()
        } else {
            isWatchingLeaving = false
        }
    }

    private func announce(_ departure: LocalPresence.Departure) {
        guard departure.isNews(isLast: departure.isLast), let receiver else { return }
        if receiver.followsMembers { receiver.memberChanged(.leave, departure.member, in: departure.channel) }
        if departure.settings.announces {
            receiver.delivered(Publication(.leave, of: departure.member, in: departure.channel, origin: node))
        }
    }

    package func presence(
        _ query: PresenceQuery, completion: @escaping (Result<PresencePage, PublishRefusal>) -> Void
    ) {
        completion(.success(here.page(query)))
    }

    // MARK: Occupancy

    package func occupy(_ channel: ChannelName) {
        occupancy.occupied(channel)
        tellOccupancy()
    }

    package func vacate(_ channel: ChannelName) {
        occupancy.vacated(channel, now: home.now)
        if occupancy.isLingering, !isWatchingVacancies { watchVacancies() }
    }

    private func watchVacancies() {
        isWatchingVacancies = true
        home.schedule(after: OccupancyTable.linger) { [self] in
            isWatchingVacancies = false
            occupancy.expire(now: home.now)
            tellOccupancy()
            if occupancy.isLingering { watchVacancies() }
        }
    }

    private func tellOccupancy() {
        while let step = occupancy.next() {
            occupancy.answered(step)
            let isOccupied = if case .mark = step { true } else { false }
            changes &+= 1
            receiver?.occupancyChanged(of: step.channel, isOccupied: isOccupied, order: changes)
        }
        link.occupiedChannels = occupancy.count
    }

    // MARK: Revocations

    /// The node has them in its own memory, and there is no other.
    package func keep(
        _ revocation: Revocation, limit: Int, completion: @escaping (Result<Bool, PublishRefusal>) -> Void
    ) { completion(.success(true)) }

    package func readRevocations(completion: @escaping (Result<[Revocation], PublishRefusal>) -> Void) {
        completion(.success([]))
    }

    package func forget(_ revocations: [Revocation]) {}

    // MARK: Groups of users

    package func userGroups(
        _ request: UserGroups.Request, of user: UserGroups, completion: @escaping UserGroups.Completion
    ) {
        let now = Int64(clamping: WallClock.milliseconds / 1000)
        let found = userGroups.carryOut(request, of: user, now: now)
        link.groupsGivenUp = userGroups.givenUp
        completion(.success(found))
    }

    // MARK: Outbox

    package func outbox(
        _ request: OutboxRequest, _ part: OutboxPart, _ limits: OutboxLimits,
        completion: @escaping (Result<OutboxAnswer, PublishRefusal>) -> Void
    ) {
        completion(.success(outbox.carryOut(request, part, limits, now: WallClock.milliseconds)))
    }

    // MARK: Interest

    package func addInterest(_ channel: ChannelName) {
        interests.insert(channel)
        link.channels = interests.count
        receiver?.interestConfirmed(channel)
    }

    package func dropInterest(_ channel: ChannelName) {
        interests.remove(channel)
        interests.giveBack()
        link.channels = interests.count
    }

    package func ask(_ body: [UInt8], id: UInt64, to nodes: Set<NodeID>) {
        guard nodes.contains(node) else { return }
        receiver?.asked(NodeQuestion(id: id, from: node, sender: .here, isDirected: true, body: body))
    }

    package func answer(_ body: [UInt8], id: UInt64, to node: NodeID) {
        receiver?.answered(body, id: id, from: self.node)
    }
}
