import Codec
import Reactor

/// A client that has sent its request, or its `connect`, and waits until it is decided who it is.
struct Judging {
    enum Kind {
        /// The request, to be answered; the names are those it asks for.
        case opening(RequestHead, OpeningReply)
        /// The `connect` of a centrifuge client, by its number.
        case connect(UInt32)
    }

    let kind: Kind
    /// Centrifuge commands that came after the `connect`.
    var commands: [QueuedCommand] = []
}

/// Who a session is: judged at its request, or in the centrifuge dialect at `connect`.
extension Shard {
    // MARK: Credentials

    /// The session is that user from here on.
    ///
    /// - Returns: Whether the user may have one more session.
    func assume(_ credentials: Credentials?, _ slot: UInt32) -> Bool {
        guard let credentials else { return true }
        let session = session(slot)
        let before = session.pointee.credentials?.takeUnretainedValue()
        if let user = credentials.user, before?.user != user {
            guard admission.userEntered(user) else {
                counters.userLimitHits += 1
                return false
            }
        }
        session.pointee.credentials?.release()
        session.pointee.credentials = Unmanaged.passRetained(credentials)
        armExpiry(slot, credentials)
        return true
    }

    func credentials(_ slot: UInt32) -> Credentials? {
        session(slot).pointee.credentials?.takeUnretainedValue()
    }

    /// The session is over: nobody any more.
    func forgetCredentials(_ session: UnsafeMutablePointer<SessionSlot>) {
        guard let credentials = session.pointee.credentials else { return }
        session.pointee.credentials = nil
        if let user = credentials.takeUnretainedValue().user { admission.userLeft(user) }
        credentials.release()
    }

    // MARK: Expiry

    /// Longer than the wheel is asked to remember; the alarm is set again then.
    private static var longest: Int64 { 30 * 86_400 }

    private func armExpiry(_ slot: UInt32, _ credentials: Credentials) {
        guard let expiresAt = credentials.expiresAt else { return }
        let left = max(0, expiresAt - gatekeeper.now) + graceSeconds(session(slot).pointee.dialect)
        arm(.expiry, slot, after: .seconds(min(left, Self.longest)))
    }

    /// How long a session may stay after its token: only a dialect in which a new one can be brought has time for it.
    private func graceSeconds(_ dialect: Dialect) -> Int64 {
        gatekeeper.leeway + (dialect == .centrifuge ? gatekeeper.grace.components.seconds : 0)
    }

    func checkExpiry(_ slot: UInt32) {
        guard let credentials = credentials(slot), let expiresAt = credentials.expiresAt else { return }
        let session = session(slot)
        guard expiresAt + graceSeconds(session.pointee.dialect) <= gatekeeper.now else {
            return armExpiry(slot, credentials)
        }
        counters.expired += 1
        if session.pointee.dialect == .centrifuge {
            close(slot, .expired)
        } else {
            close(slot, code: .policyViolation, reason: "the token has expired, reconnect with a new one")
        }
    }

    /// Seconds until a new token is needed, as the centrifuge dialect says it.
    func timeToLive(_ expiresAt: Int64?) -> UInt32? {
        expiresAt.map { UInt32(clamping: max(1, $0 - gatekeeper.now)) }
    }

    // MARK: At the request

    /// Decides about a request, now or later, and opens its session or refuses it.
    func judge(_ head: RequestHead, _ slot: UInt32, reply: OpeningReply) {
        let session = session(slot)
        let token = head.token(cookie: gatekeeper.cookie)
        // A centrifuge client that shows nothing yet may do so in its `connect`.
        if session.pointee.dialect == .centrifuge, token == nil {
            if gatekeeper.asksApplication { shown[slot] = Shown(head) }
            return open(slot, head, reply: reply)
        }
        switch gatekeeper.judge(token) {
        case .admitted(let credentials):
            admit(slot, credentials, .opening(head, reply))
        case .refused(let refusal):
            turnAway(slot, refusal, .opening(head, reply))
        case .undecided:
            session.pointee.phase = .judging
            ask(slot, Judging(kind: .opening(head, reply)), token: token, Shown(head), data: nil)
        }
    }

    // MARK: At `connect`

    func judge(_ connect: CentrifugeIntent.Connect, _ slot: UInt32) {
        let head = shown.removeValue(forKey: slot)
        let token = connect.token.flatMap { $0.isEmpty ? nil : String(decoding: $0, as: UTF8.self) }
        if !connect.known.isEmpty {
            knownBefore[slot] = Dictionary(
                connect.known.map { ($0.channel, Past($0)) }, uniquingKeysWith: { first, _ in first })
        }
        // Shown at the request already, and not contradicted.
        if token == nil, let known = credentials(slot) { return connected(slot, connect.id, known) }
        switch gatekeeper.judge(token) {
        case .admitted(let credentials):
            admit(slot, credentials, .connect(connect.id))
        case .refused(let refusal):
            turnAway(slot, refusal, .connect(connect.id))
        case .undecided:
            ask(
                slot, Judging(kind: .connect(connect.id)), token: token, head,
                data: connect.data.map { Array($0) })
        }
    }

    // MARK: Asking

    private func ask(_ slot: UInt32, _ judging: Judging, token: String?, _ shown: Shown?, data: [UInt8]?) {
        counters.asked += 1
        self.judging[slot] = judging
        session(slot).pointee.flags.insert(.parked)
        updateInterest(slot)
        let request = ConnectRequest(
            client: id(of: slot), dialect: session(slot).pointee.dialect, target: shown?.target ?? "",
            remote: session(slot).pointee.peer.address?.ipText ?? "", token: token, headers: shown?.headers ?? [],
            data: data)
        let place = locator(of: slot)
        let gatekeeper = gatekeeper
        let reactor = reactor
        Task { [shard = self] in
            let verdict = await gatekeeper.ask(request)
            reactor.post { shard.decided(place, verdict) }
        }
    }

    private func decided(_ place: Locator, _ verdict: Gatekeeper.Verdict) {
        guard table.find(place.slot, generation: place.generation) != nil,
            let judging = judging.removeValue(forKey: place.slot)
        else { return }
        let session = session(place.slot)
        session.pointee.flags.remove(.parked)
        switch verdict {
        case .admitted(let credentials): admit(place.slot, credentials, judging.kind)
        case .refused(let refusal): turnAway(place.slot, refusal, judging.kind)
        case .undecided: turnAway(place.slot, .undecided, judging.kind)
        }
        guard table.find(place.slot, generation: place.generation) != nil else { return }
        if session.pointee.phase == .open {
            perform(judging.commands, place.slot)
            guard table.find(place.slot, generation: place.generation) != nil else { return }
        }
        if session.pointee.phase != .closing { updateInterest(place.slot) }
    }

    private func admit(_ slot: UInt32, _ credentials: Credentials?, _ kind: Judging.Kind) {
        guard assume(credentials, slot) else { return turnAway(slot, .tooManySessions, kind) }
        switch kind {
        case .opening(let head, let reply): open(slot, head, reply: reply)
        case .connect(let id): connected(slot, id, credentials)
        }
    }

    private func turnAway(_ slot: UInt32, _ refusal: AuthRefusal, _ kind: Judging.Kind) {
        if refusal.isOurs { counters.undecided += 1 } else { counters.unauthorized += 1 }
        switch kind {
        case .opening:
            session(slot).pointee.phase = .head
            refuse(slot, refusal.response)
        case .connect(let id):
            switch refusal.centrifuge {
            case .error(let error):
                // The client may try `connect` again on the same connection, with a new token.
                session(slot).pointee.centrifuge = CentrifugeMachine()
                wasRefused = slot
                reply(slot, id, error)
            case .disconnect(let disconnect):
                close(slot, disconnect)
            }
        }
    }
}

/// What of a request the application may want to see later.
struct Shown {
    let target: String
    let headers: [(name: String, value: String)]

    init(_ head: RequestHead) {
        target = head.target
        headers = head.headers.filter { ConnectRequest.forwarded.contains($0.name) }.map { ($0.name, $0.value) }
    }
}
