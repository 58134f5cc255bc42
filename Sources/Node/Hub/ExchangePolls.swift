import Backplane
import Codec
import Reactor

/// Requests for sessions without a connection, on their way to the reactor that has the session, and back.
extension Exchange {
    /// Where the sessions are of which something can still be fetched, and which ones have ended.
    struct PolledSessions {
        /// They have ended, and their last words have not been fetched.
        var ending: [SessionID.Secret: Locator] = [:]
        var gone = GoneSessions()
    }

    /// A request came, here or at another node.
    ///
    /// - Parameter issuedAt: When the connection was negotiated, in seconds since 1970.
    func poll(_ request: PollRequest, issuedAt: Int64 = 0, from asker: CommandAsker) {
        if let place = sessionsByID[request.id] ?? polled.ending[request.id] {
            return tell(Int(place.reactor), .poll(request, place, asker))
        }
        guard request.isWish else { return }
        if polled.gone.contains(request.id, for: nil) { return pollAnswered(.gone, request.id, asker) }
        switch asker {
        case .connection(let connection):
            let isFresh = request.what == .poll && canBegin(issuedAt: issuedAt, missing: [])
            let wish = isFresh ? request.turned(into: .claim) : request
            guard let forwardPoll else { return nobodyHas(wish, issuedAt: issuedAt, connection, missing: []) }
            forwardPoll(wish, issuedAt, connection)
        case .node(let other, _):
            let isLet = request.what != .claim || letBegin?(request.id, other) ?? true
            pollAnswered(isLet ? .unknown : .busy, request.id, asker)
        }
    }

    func pollAnswered(
        _ answer: PollAnswer, _ id: SessionID.Secret, _ asker: CommandAsker, by source: PollSource = .here
    ) {
        switch asker {
        case .connection(let connection):
            guard Int(connection.reactor) < shards.count else { return }
            tell(Int(connection.reactor), .polled(connection, id, answer, source))
        case .node(let node, let question): backplane.answer(answer.bytes, id: question, to: node)
        }
    }

    /// No node that answered has the session.
    ///
    /// - Parameter missing: Nodes that did not answer.
    func nobodyHas(_ request: PollRequest, issuedAt: Int64, _ connection: Locator, missing: Set<NodeID>) {
        let asker = CommandAsker.connection(connection)
        if let place = sessionsByID[request.id] { return tell(Int(place.reactor), .poll(request, place, asker)) }
        guard request.what == .claim, canBegin(issuedAt: issuedAt, missing: missing) else {
            return pollAnswered(.unknown, request.id, asker)
        }
        sessionsByID[request.id] = connection
        tell(Int(connection.reactor), .pollBegins(connection, request.id))
    }

    /// How long after its negotiation a client may ask for the first time, in seconds.
    private static var freshness: Int64 { 60 }
    /// Between two signs of life of a node, in milliseconds, and a little more.
    private static var beat: Int64 { 1300 }

    /// Whether a session that nobody has cannot have been anywhere: its client has negotiated just now, and no node is gone, or does not
    /// answer, that could have had it.
    private func canBegin(issuedAt: Int64, missing: Set<NodeID>) -> Bool {
        let now = Int64(clamping: WallClock.milliseconds)
        // It was negotiated in the second that begins with this one and ends with that one.
        let negotiated = (first: issuedAt &* 1000, last: issuedAt &* 1000 &+ 1000)
        guard now &- negotiated.first <= Self.freshness * 1000, negotiated.last > startedAt,
            negotiated.last > lostNodeAt
        else { return false }
        guard !missing.isEmpty else { return true }
        return backplane.nodes.allSatisfy { record in
            let silence = Int64(clamping: (home.now - record.lastSeen).wholeNanoseconds / 1_000_000)
            return !missing.contains(record.id) || now &- silence &+ Self.beat < negotiated.first
        }
    }

    /// A node is gone, and its sessions with it.
    func nodeLost() { lostNodeAt = Int64(clamping: WallClock.milliseconds) }

    // MARK: What becomes of answers

    func settlePoll(_ settled: PollRequest, _ source: PollSource, _ connection: Locator) {
        switch source {
        case .here: poll(settled, from: .connection(connection))
        case .node(let node, let question): backplane.ask(settled.bytes, id: question, to: [node])
        }
    }

    /// The connection of a request is gone.
    func pollGone(_ id: SessionID.Secret, _ source: PollSource?, _ connection: Locator) {
        if source == nil || source != .here { withdrawPoll?(connection) }
        if source == nil || source == .here { poll(PollRequest(.returned, id), from: .connection(connection)) }
    }

    /// A session has ended; what it was told last can be fetched.
    func pollsEnding(_ id: SessionID.Secret, _ locator: Locator) { polled.ending[id] = locator }

    func pollsOver(_ id: SessionID.Secret, _ locator: Locator) {
        if polled.ending[id] == locator {
            polled.ending[id] = nil
            polled.ending.giveBack()
        }
        polled.gone.insert(id, for: nil)
    }
}
