package import Codec
import Reactor

/// What of presence the link to Redis has to remember: who is here, and what the others have not heard of it.
struct RedisPresence: ~Copyable {
    var here: LocalPresence
    var outbox = PresenceOutbox()
    var questions = PresenceQuestions()
    /// The walk over everybody that is under way.
    var walk: LocalPresence.Walk?
    var pace = Pace.slow
    /// Somebody is leaving, and is looked after.
    var isWatchingLeaving = false
    /// More is told in the next turn.
    var isGoingOn = false
    /// Those that left channels whose server is away, while others work: they are told when it is back.
    var parked: [LocalPresence.Departure] = []
    /// The servers that were told last, by their identities: another one may know nothing of this node's members.
    var identities: [[UInt8]?] = []
    /// The servers were compared with those that were told last.
    var isCompared = true
    /// Redis may have lost what it was told, so whether a join that it did not answer was announced cannot be known.
    var mayHaveForgotten = false
    /// A part of a quick walk was refused: it has to be done again.
    var hasFailed = false
    var reaping = PresenceReaping()
    /// Partitions in which Redis has marks of this node: its own mark is there too.
    var marked: Set<Int> = []
    /// When a walk over everybody began last because Redis had lost the node's marks.
    var lostAt: MonotonicTime?
    /// The longest grace of any channel, in milliseconds.
    var longestGrace: Int64 = 0

    /// Why everybody is gone through, and so how fast.
    enum Pace {
        /// Marks expire otherwise: an hour for everybody.
        case slow
        /// Redis may have forgotten everything: as fast as it answers.
        case anew
        /// Some that came were not listed: the same, but for those who were told.
        case missed
    }

    /// Steps of one turn, told or passed over.
    static let steps = 1024
    /// Everybody is told again this often, in seconds, so that marks do not expire and what was lost comes back.
    static let round = 3600
    /// Marks that Redis loses are told again at most this often.
    static let lossPause: Duration = .seconds(5)

    init(maximumLeaving: Int) { here = LocalPresence(maximumLeaving: maximumLeaving) }
}

extension RedisBackplane {
    package func enter(_ member: PresenceMember, _ channel: ChannelName, _ settings: PresenceSettings) {
        enter(member, channel, settings, isQuiet: false)
    }

    private func enter(
        _ member: PresenceMember, _ channel: ChannelName, _ settings: PresenceSettings, isQuiet: Bool
    ) {
        presence.longestGrace = max(presence.longestGrace, settings.grace)
        let arrival = presence.here.entered(member, channel, settings, isQuiet: isQuiet)
        // While there is no link nobody is listed: when it is back, everybody is told.
        guard arrival != .known, mover?.paused.contains(channel) ?? false || topology.server(for: channel).link.isUp
        else { return }
        presence.outbox.came(.init(channel: channel, session: member.session))
        tellMore()
    }

    package func enterQuietly(_ member: PresenceMember, _ channel: ChannelName, _ settings: PresenceSettings) {
        enter(member, channel, settings, isQuiet: true)
    }

    package func leaveQuietly(_ session: SessionID, _ channel: ChannelName) {
        if let departure = presence.here.leftQuietly(session, channel, now: home.now) { depart(departure) }
    }

    package func leave(_ session: SessionID, _ channel: ChannelName, isFinal: Bool) {
        if let departure = presence.here.left(session, channel, isFinal: isFinal, now: home.now) { depart(departure) }
        status.presenceCutShort = presence.here.cutShort
        if presence.here.isAnybodyLeaving, !presence.isWatchingLeaving { watchLeaving() }
    }

    private func watchLeaving() {
        presence.isWatchingLeaving = true
        home.schedule(after: LocalPresence.precision) { [self] in self.takeLeaving() }
    }

    private func takeLeaving() {
        guard isRunning else { return }
        let departures = presence.here.expired(now: home.now)
        for departure in departures { depart(departure) }
        if departures.count == LocalPresence.portion {
            // A crowd: the rest after what else there is to do.
            home.post { [self] in self.takeLeaving() }
        } else if presence.here.isAnybodyLeaving {
            watchLeaving()
        } else {
            presence.isWatchingLeaving = false
        }
    }

    private func depart(_ departure: LocalPresence.Departure) {
        // Of one that nobody heard of, nobody has to hear that it is gone.
        guard departure.isToBeTold else { return }
        presence.outbox.left(departure)
        tellMore()
    }

    // MARK: Telling

    /// The link is back: what happened meanwhile is told first, and then who is here, for Redis may have forgotten.
    ///
    /// - Parameter isLost: Redis has lost what it was told.
    func tellPresenceAnew(isLost: Bool = false) {
        presence.mayHaveForgotten = isLost
        presence.isCompared = false
        presence.outbox.startOver()
        presence.outbox.isPaused = false
        for departure in presence.parked { presence.outbox.left(departure) }
        presence.parked = []
        // Whoever is told marks its partition anew.
        presence.marked = []
        walkQuickly(.anew)
        tellMore()
    }

    private func walkQuickly(_ pace: RedisPresence.Pace) {
        presence.walk = presence.here.walk()
        presence.pace = pace
        presence.hasFailed = false
    }

    /// Once a second.
    func presenceTick() {
        guard status.isUp, receiver?.tracksPresence ?? false else { return }
        presence.outbox.isPaused = false
        checkPresence()
        if presence.pace == .slow { goRound() }
        tellMore()
        status.presenceWaiting = presence.outbox.waiting
        sweepIfDue()
    }

    /// Some of everybody are told again; nothing of it is urgent.
    private func goRound() {
        guard canTell else { return }
        var walk = presence.walk ?? presence.here.walk()
        for _ in 0..<max(1, presence.here.count / RedisPresence.round) {
            guard presence.outbox.hasRoom else { break }
            guard let next = presence.here.next(&walk) else {
                presence.walk = nil
                return
            }
            tell(.init(channel: next.channel, session: next.session))
        }
        presence.walk = walk
    }

    private var canTell: Bool {
        status.isUp && topology.servers.contains(where: takesPresence)
    }

    private func takesPresence(_ server: RedisServer) -> Bool {
        server.link.isUp && server.has(.enter) && server.has(.leave)
    }

    /// Tells what is to be told, as much as may be under way.
    func tellMore() {
        guard canTell else { return }
        compareServers()
        for _ in 0..<RedisPresence.steps {
            guard presence.outbox.hasRoom else { return }
            switch presence.outbox.next() {
            case .leave(let departure)?: tell(departure)
            case .enter(let membership)?: tell(membership)
            case nil: guard walkOn() else { return }
            }
        }
        // Others have their turn, and then it goes on.
        guard !presence.isGoingOn else { return }
        presence.isGoingOn = true
        home.post { [self] in
            self.presence.isGoingOn = false
            self.tellMore()
        }
    }

    /// Whether the servers are those that were told before the break; known as soon as they have said who they are.
    private func compareServers() {
        guard !presence.isCompared else { return }
        presence.isCompared = true
        let identities = topology.servers.map(\.scripts.identity)
        if identities != presence.identities { presence.mayHaveForgotten = true }
        presence.identities = identities
    }

    /// The next one of a quick walk.
    ///
    /// - Returns: Whether there was one.
    private func walkOn() -> Bool {
        if presence.pace == .slow {
            guard presence.outbox.isIncomplete else { return false }
            presence.outbox.startOver()
            walkQuickly(.missed)
        }
        guard var walk = presence.walk, let next = presence.here.next(&walk) else { return walkEnded() }
        presence.walk = walk
        if presence.pace == .anew || !next.isKnown {
            tell(.init(channel: next.channel, session: next.session))
        }
        return true
    }

    private func walkEnded() -> Bool {
        presence.walk = nil
        guard presence.outbox.awaited == 0 else { return false }
        if presence.hasFailed {
            walkQuickly(presence.pace)
            return true
        }
        if presence.pace == .anew, receiver?.tracksPresence ?? false {
            deleteEverywhere(.forgiven) { $0.presence("pr", nodeText) }
        }
        presence.pace = .slow
        presence.mayHaveForgotten = false
        return false
    }

    private func tell(_ membership: PresenceOutbox.Membership) {
        guard let entry = presence.here.member(membership.session, in: membership.channel) else { return }
        if isDeferred(membership.channel, { [self] in tell(membership) }) { return }
        let server = topology.server(for: membership.channel)
        // When its server is back, everybody is told.
        guard takesPresence(server) else { return }
        // A join is announced at most once: one that Redis took and did not answer before it lost everything is not repeated.
        let isAnnounced = entry.told == .told || entry.told == .sent && presence.mayHaveForgotten
        presence.here.sent(membership.session, membership.channel)
        presence.outbox.sent()
        let packed = entry.member.packed
        let head = announcement(.join, isWanted: entry.settings.announces)
        let names = names[membership.channel]
        mark(self.names.partition(of: membership.channel), names, at: server)
        server.run(
            .enter, .entered(membership.channel, membership.session), keys: memberKeys(membership.channel, names),
            [
                packed, entry.member.key, nodeBytes, nodeText, membership.channel.bytes,
                names.channel + membership.channel.bytes, head.isEmpty ? [] : head + packed,
                Self.flag(!isAnnounced), Self.flag(entry.settings.isPerSession),
            ])
    }

    private func tell(_ departure: LocalPresence.Departure) {
        guard !presence.here.isBack(departure) else { return }
        if isDeferred(departure.channel, { [self] in tell(departure) }) { return }
        let server = topology.server(for: departure.channel)
        guard takesPresence(server) else { return presence.parked.append(departure) }
        let isLast = presence.here.isStillLast(departure)
        presence.outbox.sent()
        let packed = departure.member.packed
        let head = announcement(.leave, isWanted: departure.settings.announces && departure.isNews(isLast: isLast))
        let names = names[departure.channel]
        server.run(
            .leave, .left(departure), keys: memberKeys(departure.channel, names),
            [
                packed, isLast ? departure.member.key : [], nodeBytes, nodeText, departure.channel.bytes,
                names.channel + departure.channel.bytes, head.isEmpty ? [] : head + packed,
                Self.flag(presence.pace == .anew), Self.flag(departure.settings.isPerSession),
            ])
    }

    /// How scripts are told a Bool.
    static func flag(_ isSet: Bool) -> [UInt8] { [UInt8(ascii: isSet ? "1" : "0")] }

    private func memberKeys(_ channel: ChannelName, _ names: PartitionNames) -> [[UInt8]] {
        [
            names.members(channel.bytes, of: node), names.presence("pu", channel.bytes),
            names.presence("pl", channel.bytes), names.presence("pc", nodeText), names.presence("pn"),
            names.presence("pr", nodeText),
        ]
    }

    /// The node's id as it stands in keys.
    var nodeText: [UInt8] { Array("\(node)".utf8) }
    private var nodeBytes: [UInt8] { RedisServer.bytes(node.value) }

    /// What goes in front of a packed member to announce it; nothing where that is not wanted.
    func announcement(_ change: PresenceChange, isWanted: Bool) -> [UInt8] {
        guard isWanted else { return [] }
        envelope.removeAll()
        EnvelopeCodec.writeChangeHead(change, origin: node, to: envelope)
        return Array(envelope.bytes)
    }
}
