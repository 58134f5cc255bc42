package import Codec
import Reactor

/// What of presence the link to Redis has to remember: who is here, and what the others have not heard of it.
struct RedisPresence {
    struct Place: Hashable {
        let channel: ChannelName
        let session: SessionID
    }

    var here = LocalPresence()
    /// Those who left while there was no link, or whose leaving was not answered.
    var departures: [Place: LocalPresence.Departure] = [:]
    /// Those who are to be told (again), last first.
    var telling: [Place] = []
    /// Answers that are awaited before more are told.
    var awaited = 0
    /// Everything is being told anew after a break.
    var isTellingAnew = false
    /// Parts of dead nodes that are being cleared away.
    var reaping = 0
    var lastSweep: MonotonicTime?
    /// Members of dead nodes that were announced as gone.
    var reaped: UInt64 = 0
    /// The longest grace of any channel, in milliseconds.
    var longestGrace: Int64 = 0

    /// Told in one go.
    static let batch = 256
    /// Departures kept at the most.
    static let maximumDepartures = 65_536
    /// Everybody is told again this often, in seconds, so that marks do not expire and what was lost comes back.
    static let round = 3600
    /// How often the nodes look for dead ones: the first of them, and the others.
    static let sweep: (first: Duration, others: Duration) = (.seconds(1), .seconds(10))
    /// Of a dead node, in one step: channels, and members of one channel.
    static let reapedChannels = 64
    static let reapedMembers = 512
}

/// What a reply of the presence scripts is about.
package enum PresenceReply {
    case entered(ChannelName, SessionID)
    case left(LocalPresence.Departure)
    case stale
    case reaped
    case present(PresenceQuery, (Result<PresencePage, PublishRefusal>) -> Void)
    /// The mark that this node was taken for dead is gone.
    case forgiven
}

extension RedisBackplane {
    package func enter(_ member: PresenceMember, _ channel: ChannelName, _ settings: PresenceSettings) {
        presence.longestGrace = max(presence.longestGrace, settings.grace)
        guard presence.here.entered(member, channel, settings), link.phase == .linked else { return }
        tell(.init(channel: channel, session: member.session))
    }

    package func leave(_ session: SessionID, _ channel: ChannelName, isFinal: Bool) {
        let wasAnybodyLeaving = presence.here.isAnybodyLeaving
        if let departure = presence.here.left(session, channel, isFinal: isFinal, now: home.now) { depart(departure) }
        if !wasAnybodyLeaving, presence.here.isAnybodyLeaving { watchLeaving() }
    }

    private func watchLeaving() {
        home.schedule(after: LocalPresence.precision) { [weak self] in
            guard let self, self.isRunning else { return }
            for departure in self.presence.here.expired(now: self.home.now) { self.depart(departure) }
            if self.presence.here.isAnybodyLeaving { self.watchLeaving() }
        }
    }

    private func depart(_ departure: LocalPresence.Departure) {
        if link.phase == .linked { return send(departure) }
        keep(departure)
    }

    private func keep(_ departure: LocalPresence.Departure) {
        let place = RedisPresence.Place(channel: departure.channel, session: departure.member.session)
        // One that nobody heard of may be forgotten when there are very many.
        guard presence.departures.count < RedisPresence.maximumDepartures || departure.isTold else { return }
        presence.departures[place] = departure
    }

    // MARK: Telling

    /// The link is back: what happened meanwhile is told first, and then who is here, for Redis may have forgotten.
    func tellPresenceAnew() {
        let departures = presence.departures.values
        presence.departures = [:]
        for departure in departures { send(departure) }
        presence.telling = presence.here.all.map { RedisPresence.Place(channel: $0.channel, session: $0.session) }
        presence.awaited = 0
        presence.isTellingAnew = true
        tellMore()
    }

    /// Once a second.
    func presenceTick() {
        guard link.phase == .linked, receiver?.tracksPresence ?? false else { return }
        let departures = presence.departures.values
        presence.departures = [:]
        for departure in departures { send(departure) }
        if presence.telling.isEmpty, presence.awaited == 0 {
            // The next round begins; nothing of it is urgent.
            presence.telling = presence.here.all.map { .init(channel: $0.channel, session: $0.session) }
        } else if !presence.isTellingAnew {
            for _ in 0..<max(1, presence.here.count / RedisPresence.round) {
                if let place = presence.telling.popLast() { tell(place) }
            }
        } else if presence.awaited == 0 {
            tellMore()
        }
        if presence.reaping == 0, isSweepDue { sweep() }
    }

    private func tellMore() {
        guard scripts[.enter] != nil else { return }
        while presence.awaited < RedisPresence.batch, let place = presence.telling.popLast() {
            presence.awaited += 1
            tell(place)
        }
        if presence.isTellingAnew, presence.telling.isEmpty, presence.awaited == 0 {
            presence.isTellingAnew = false
            send(.presence(.forgiven)) {
                RESPWriter.command([Array("DEL".utf8), names.presence("pr", nodeText)], to: $0)
            }
        }
    }

    private func tell(_ place: RedisPresence.Place) {
        guard let entry = presence.here.member(place.session, in: place.channel) else {
            if presence.isTellingAnew { presence.awaited = max(0, presence.awaited - 1) }
            return
        }
        let packed = entry.member.packed
        let head = announcement(.join, isWanted: entry.settings.announces)
        run(
            .enter, .entered(place.channel, place.session), keys: memberKeys(place.channel),
            [
                packed, entry.member.key, nodeBytes, nodeText, place.channel.bytes,
                names.channel(place.channel), head.isEmpty ? [] : head + packed, Array((entry.isTold ? "0" : "1").utf8),
            ])
    }

    private func send(_ departure: LocalPresence.Departure) {
        let packed = departure.member.packed
        let head = announcement(.leave, isWanted: departure.settings.announces && departure.isLast)
        run(
            .leave, .left(departure), keys: memberKeys(departure.channel),
            [
                packed, departure.isLast ? departure.member.key : [], nodeBytes, nodeText,
                departure.channel.bytes, names.channel(departure.channel),
                head.isEmpty ? [] : head + packed,
            ])
    }

    private func memberKeys(_ channel: ChannelName) -> [[UInt8]] {
        [
            names.members(channel.bytes, of: node), names.presence("pu", channel.bytes),
            names.presence("pl", channel.bytes), names.presence("pc", nodeText), names.presence("pn"),
            names.presence("pr", nodeText),
        ]
    }

    private var nodeText: [UInt8] { Array("\(node)".utf8) }
    private var nodeBytes: [UInt8] { Self.bytes(node.value) }

    /// What goes in front of a packed member to announce it; nothing where that is not wanted.
    private func announcement(_ change: PresenceChange, isWanted: Bool) -> [UInt8] {
        guard isWanted else { return [] }
        envelope.removeAll()
        EnvelopeCodec.writeChangeHead(change, origin: node, to: envelope)
        return Array(envelope.bytes)
    }

    private func run(_ script: RedisScript, _ reply: PresenceReply, keys: [[UInt8]], _ arguments: [[UInt8]]) {
        guard let hash = scripts[script] else { return unanswered(reply) }
        send(.presence(reply)) {
            RESPWriter.command(
                [Array("EVALSHA".utf8), hash, Array("\(keys.count)".utf8)] + keys + arguments, to: $0)
        }
    }

    // MARK: Reading

    package func presence(
        _ query: PresenceQuery, completion: @escaping (Result<PresencePage, PublishRefusal>) -> Void
    ) {
        guard isCommandReady else { return completion(.failure(.isolated)) }
        var start: [UInt8] = [UInt8(ascii: "-")]
        if let after = query.after {
            start = query.view == .users ? [UInt8(ascii: "(")] + after : [UInt8(ascii: "[")] + after + [0xFF]
        }
        let nodes = registry.ids.sorted { $0.value < $1.value }
        run(
            .present, .present(query, completion),
            keys: [names.presence("pu", query.channel.bytes), names.presence("pl", query.channel.bytes)]
                + nodes.map { names.members(query.channel.bytes, of: $0) },
            [Array(query.view.rawValue.utf8), start, Array("\(query.limit)".utf8)])
    }

    private func page(_ query: PresenceQuery, _ value: RESPValue) -> Result<PresencePage, PublishRefusal> {
        if case .error(let text) = value { return .failure(.medium(text)) }
        guard case .array(let elements) = value, elements.count == 3, case .integer(let clients) = elements[0],
            case .integer(let users) = elements[1], case .array(let entries) = elements[2]
        else { return .failure(.medium("an answer that is none")) }
        var page = PresencePage(clients: Int(clamping: clients), users: Int(clamping: users))
        for case .bulk(let bytes?) in entries {
            if query.view == .users {
                page.keys.append(bytes)
            } else if let member = bytes.withUnsafeBytes({ PresenceMember(packed: $0) }) {
                page.members.append(member)
            } else {
                link.badMessages &+= 1
            }
        }
        return .success(page)
    }

    // MARK: Dead nodes

    /// Whose turn it is follows from who is there now: when the first one has died, the next is to begin at once.
    private var isSweepDue: Bool {
        guard let last = presence.lastSweep else { return true }
        let isFirst = registry.ids.allSatisfy { $0.value >= node.value }
        // It is called once a second, which is never quite a second.
        return home.now - last >= (isFirst ? RedisPresence.sweep.first : RedisPresence.sweep.others)
            - .milliseconds(100)
    }

    private func sweep() {
        presence.lastSweep = home.now
        run(
            .stale, .stale, keys: [names.presence("pn")],
            [
                names.prefix + Array("lease:".utf8), names.presence("pc") + [UInt8(ascii: ":")],
                names.presence("pr") + [UInt8(ascii: ":")], Array("\(RedisPresence.reapedChannels)".utf8),
            ])
    }

    private func reap(_ value: RESPValue) {
        guard case .array(let found) = value, !found.isEmpty else {
            if presence.reaped > 0 {
                receiver?.happened(
                    .info, "presence: \(presence.reaped) members of nodes that are gone were announced as gone")
                link.presenceReaped &+= presence.reaped
                presence.reaped = 0
            }
            return
        }
        for case .array(let pair) in found where pair.count == 2 {
            guard let node = pair[0].text.flatMap({ NodeID($0) }), node != self.node,
                case .array(let channels) = pair[1]
            else { continue }
            for case .bulk(let bytes?) in channels { reap(node, bytes) }
        }
    }

    private func reap(_ dead: NodeID, _ bytes: [UInt8]) {
        let channel = ChannelName(trusted: bytes)
        let head = announcement(.leave, isWanted: receiver?.announcesPresence(in: channel) ?? false)
        presence.reaping += 1
        run(
            .reap, .reaped,
            keys: [
                names.members(bytes, of: dead), names.presence("pu", bytes), names.presence("pl", bytes),
                names.presence("pc", Array("\(dead)".utf8)),
            ],
            [
                Self.bytes(dead.value), bytes, names.channel(channel), head,
                Array("\(RedisPresence.reapedMembers)".utf8),
            ])
    }

    // MARK: Answers

    func answered(_ reply: PresenceReply, _ value: RESPValue) {
        if case .error(let text) = value {
            if text.hasPrefix("NOSCRIPT") { reload(then: { _ in }) }
            return unanswered(reply)
        }
        switch reply {
        case .entered(let channel, let session):
            presence.here.told(session, channel)
            guard presence.awaited > 0 else { return }
            presence.awaited -= 1
            if presence.isTellingAnew, presence.awaited < RedisPresence.batch / 2 { tellMore() }
        case .left, .forgiven: break
        case .stale: reap(value)
        case .reaped:
            if case .integer(let gone) = value { presence.reaped &+= UInt64(clamping: gone) }
            presence.reaping = max(0, presence.reaping - 1)
            if presence.reaping == 0 { sweep() }
        case .present(let query, let completion): completion(page(query, value))
        }
    }

    /// The link broke before the answer, or it was refused: what has to be known is said again later.
    func unanswered(_ reply: PresenceReply) {
        switch reply {
        case .entered(let channel, let session):
            presence.awaited = max(0, presence.awaited - 1)
            presence.telling.append(.init(channel: channel, session: session))
        case .left(let departure): keep(departure)
        case .present(_, let completion): completion(.failure(.isolated))
        case .reaped: presence.reaping = max(0, presence.reaping - 1)
        case .stale, .forgiven: break
        }
    }
}
