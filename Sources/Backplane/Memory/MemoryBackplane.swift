package import Codec
package import Reactor

/// The embedded default: one node, no Redis, the same promises.
package final class MemoryBackplane: Backplane, @unchecked Sendable {
    package let home: Reactor
    package let kind = "memory"
    package let isCongested = false
    package private(set) var link: LinkState
    private let node: NodeID
    private var registry: NodeRegistry
    private weak var receiver: (any BackplaneReceiver)?
    private var held: Set<ChannelName> = [.all]
    private var history = MemoryHistory()
    private var here = LocalPresence()
    private var random = SystemRandomNumberGenerator()
    private var nextSweep: MonotonicTime?
    private let startedAt: UInt64

    /// How often histories are looked through for what is over.
    private static let sweepInterval: Duration = .seconds(30)
    /// How often the node asks itself for its summary.
    private static let beatInterval: Duration = .seconds(1)

    package init(home: Reactor, node: NodeID, name: String, wallClock: UInt64) {
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
        receiver.linkChanged(link)
        beat()
    }

    private func beat() {
        guard let receiver else { return }
        registry.update(summary: receiver.summary(), now: home.now)
        link.lastBeat = home.now
        link.roundTrip = 0
        if (nextSweep ?? home.now) <= home.now {
            nextSweep = home.now + Self.sweepInterval
            let held = held
            history.sweep(now: home.now) { held.contains($0) }
        }
        home.schedule(after: Self.beatInterval) { [weak self] in self?.beat() }
    }

    package func stop(completion: @escaping @Sendable () -> Void) {
        receiver = nil
        completion()
    }

    package func publish(_ publication: Publication, history settings: HistorySettings?, ticket: PublishTicket) {
        guard let receiver else { return }
        let key = publication.extras?.idempotencyKey
        if let key, let earlier = history.position(of: key, in: publication.channel, now: home.now) {
            return receiver.published(ticket, .accepted(earlier))
        }
        link.published &+= 1
        var publication = publication
        if let settings {
            publication = history.append(publication, settings, now: home.now, epoch: random.next())
        }
        if let key { history.remember(key, in: publication.channel, as: publication.position, now: home.now) }
        if publication.channel.isReserved || held.contains(publication.channel) {
            link.received &+= 1
            receiver.delivered(publication)
        }
        receiver.published(ticket, .accepted(publication.position))
    }

    package func read(_ query: HistoryQuery, completion: @escaping (Result<HistoryPage, PublishRefusal>) -> Void) {
        completion(.success(history.page(query, now: home.now, epoch: random.next())))
    }

    /// Nothing ever goes on without what was delivered.
    package func disown(
        _ position: Position, in channel: ChannelName, completion: @escaping (Result<Void, PublishRefusal>) -> Void
    ) { completion(.success(())) }

    // MARK: Presence

    package func enter(_ member: PresenceMember, _ channel: ChannelName, _ settings: PresenceSettings) {
        let before = here.page(PresenceQuery(channel: channel, view: .count, limit: 0)).users
        guard here.entered(member, channel, settings), settings.announces else { return }
        let users = here.page(PresenceQuery(channel: channel, view: .count, limit: 0)).users
        if users > before { receiver?.delivered(Publication(.join, of: member, in: channel, origin: node)) }
    }

    package func leave(_ session: SessionID, _ channel: ChannelName, isFinal: Bool) {
        let wasAnybodyLeaving = here.isAnybodyLeaving
        if let departure = here.left(session, channel, isFinal: isFinal, now: home.now) { announce(departure) }
        if !wasAnybodyLeaving, here.isAnybodyLeaving { watchLeaving() }
    }

    private func watchLeaving() {
        home.schedule(after: LocalPresence.precision) { [weak self] in
            guard let self else { return }
            for departure in self.here.expired(now: self.home.now) { self.announce(departure) }
            if self.here.isAnybodyLeaving { self.watchLeaving() }
        }
    }

    private func announce(_ departure: LocalPresence.Departure) {
        guard departure.isLast, departure.settings.announces else { return }
        receiver?.delivered(Publication(.leave, of: departure.member, in: departure.channel, origin: node))
    }

    package func presence(
        _ query: PresenceQuery, completion: @escaping (Result<PresencePage, PublishRefusal>) -> Void
    ) {
        completion(.success(here.page(query)))
    }

    // MARK: Interest

    package func hold(_ channel: ChannelName) {
        held.insert(channel)
        link.channels = held.count
        receiver?.held(channel)
    }

    package func release(_ channel: ChannelName) {
        held.remove(channel)
        link.channels = held.count
    }

    package func ask(_ body: [UInt8], id: UInt64, to node: NodeID?) {
        guard node == nil || node == self.node else { return }
        receiver?.asked(body, id: id, from: self.node)
    }

    package func answer(_ body: [UInt8], id: UInt64, to node: NodeID) {
        receiver?.answered(body, id: id, from: self.node)
    }
}
