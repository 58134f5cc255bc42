import Authentication
import Codec
import Reactor

/// A client that has sent its request, or its `connect`, and waits until it is decided who it is.
final class PendingLogin {
    enum Kind {
        /// The request, to be answered; the names are those it asks for.
        case opening(RequestHead, OpeningReply)
        /// The `connect` of a client that logs in with a command.
        case connect(ReplyID)
        /// A publication that came in a request of its own.
        case publication(PublicationRequest)
        /// A client asks how it may connect.
        case negotiation(Negotiation, DialectRoute)
        /// A client asks a session for what waits, or ends it (`SessionExtras.poll`).
        case poll
    }

    let kind: Kind
    /// Which question the answer has to belong to.
    let attempt: UInt64

    init(_ kind: Kind, attempt: UInt64) {
        self.kind = kind
        self.attempt = attempt
    }

    /// Whether it is the login of a request that is answered, and begins no session.
    var beginsNoSession: Bool {
        switch kind {
        case .publication, .negotiation, .poll: true
        case .opening, .connect: false
        }
    }
}

/// Who a session is: judged at its request, or at its `connect`.
extension Admittance {
    /// Decides about a request, now or later, and opens its session or refuses it.
    func authenticate(_ head: RequestHead, _ slot: UInt32, at route: DialectRoute, reply: OpeningReply) {
        let session = session(slot)
        if route.isForHubTokens { return authenticate(head, slot, clientOf: route, for: .opening(head, reply)) }
        let token = head.token(named: session.pointee.dialect.tokenParameters, cookie: context.gatekeeper.cookie)
        if !session.pointee.traits.login.isInRequest {
            if context.gatekeeper.asksApplication { makeExtras(slot).handshake = show(head, slot) }
            // Whoever shows nothing yet may do so in its `connect`.
            if token == nil { return open(slot, head, reply: reply) }
        }
        authenticate(head, slot, token: token, for: .opening(head, reply))
    }

    /// Decides about a request of a hub's client that its application has sent here. A cookie is nothing that an application has given it.
    func authenticate(_ head: RequestHead, _ slot: UInt32, clientOf route: DialectRoute, for kind: PendingLogin.Kind) {
        guard let hub = context.settings.hubs.rule(route.hub) else { return refuse(slot, .hubGone) }
        let begin = MonotonicTime.now()
        let token = head.token(named: route.dialect.tokenParameters, cookie: nil)
        let verdict = context.gatekeeper.authenticate(token, clientOf: hub)
        io.spent(since: begin)
        switch verdict {
        case .admitted(let credentials):
            noteShown(head, slot, token: token)
            admit(slot, credentials, kind)
        case .refused(let refusal): turnAway(slot, refusal, kind)
        case .undecided: turnAway(slot, .undecided, kind)
        }
    }

    /// Decides about a request, now or later, and goes on with it or refuses it.
    func authenticate(_ head: RequestHead, _ slot: UInt32, token: String?, for kind: PendingLogin.Kind) {
        let session = session(slot)
        // Checking a signature takes as long as a dozen requests without one.
        let begin = MonotonicTime.now()
        let verdict = context.gatekeeper.authenticate(token)
        if token != nil { io.spent(since: begin) }
        switch verdict {
        case .admitted(let credentials):
            noteShown(head, slot, token: token)
            admit(slot, credentials, kind)
        case .refused(let refusal):
            turnAway(slot, refusal, kind)
        case .undecided:
            noteShown(head, slot, token: token)
            session.pointee.phase = .authenticating
            session.pointee.flags.insert(.parked)
            io.updateInterest(slot)
            ask(slot, kind, token: token, show(head, slot), data: nil)
        }
    }

    /// Keeps what an application gets to see of a client whose hub sends it calls.
    private func noteShown(_ head: RequestHead, _ slot: UInt32, token: String?) {
        let session = session(slot)
        guard let hub = session.pointee.machine.hub, context.settings.upstream?.serves(hub: hub) == true else { return }
        makeExtras(slot).shown = ShownClient(head, token: token, hiding: session.pointee.dialect.secretParameters)
    }

    func authenticate(_ connect: Intent.Connect, _ slot: UInt32) {
        if connect.isResumable { makeExtras(slot).wantsCounting = true }
        // It was decided when it came.
        if session(slot).pointee.traits.login == .greeting { return connected(slot, connect.reply, credentials(slot)) }
        extras(slot)?.handshake?.emulated = context.gatekeeper.forwarding.emulated(connect.headers)
        let head = extras(slot)?.handshake
        let token = connect.token.flatMap { $0.isEmpty ? nil : String(decoding: $0, as: UTF8.self) }
        if !connect.known.isEmpty {
            makeExtras(slot).known = Dictionary(
                connect.known.map { ($0.channel, SeenPosition($0.seen)) }, uniquingKeysWith: { first, _ in first })
        }
        if !connect.wanted.isEmpty { makeExtras(slot).wanted = connect.wanted }
        // Shown at the request already, and not contradicted.
        if token == nil, let known = credentials(slot) { return connected(slot, connect.reply, known) }
        switch context.gatekeeper.authenticate(token) {
        case .admitted(let credentials):
            admit(slot, credentials, .connect(connect.reply))
        case .refused(let refusal):
            turnAway(slot, refusal, .connect(connect.reply))
        case .undecided:
            // What follows is judged when the verdict is there: until then nothing of it counts.
            io.suspendInput(slot)
            ask(slot, .connect(connect.reply), token: token, head, data: connect.data.map { Array($0) })
        }
    }

    private func show(_ head: RequestHead, _ slot: UInt32) -> HandshakeContext {
        HandshakeContext(
            head, context.gatekeeper.forwarding, from: session(slot).pointee.peer.address.flatMap { IPAddress($0) },
            hiding: session(slot).pointee.dialect.secretParameters)
    }

    func ask(_ slot: UInt32, _ kind: PendingLogin.Kind, token: String?, _ handshake: HandshakeContext?, data: [UInt8]?)
    {
        context.counters.asked += 1
        nextAttempt &+= 1
        let attempt = nextAttempt
        makeExtras(slot).pendingLogin = PendingLogin(kind, attempt: attempt)
        let request = ConnectRequest(
            client: id(of: slot), dialect: session(slot).pointee.dialect, target: handshake?.target ?? "",
            remote: session(slot).pointee.peer.address?.ipText ?? "", token: token, headers: handshake?.all ?? [],
            data: data)
        let locator = locator(of: slot)
        let gatekeeper = context.gatekeeper
        let reactor = reactor
        Task { [admittance = self] in
            let verdict = await gatekeeper.ask(request)
            reactor.post { admittance.decided(locator, attempt, verdict) }
        }
    }

    func decided(_ locator: Locator, _ attempt: UInt64, _ verdict: Gatekeeper.Verdict) {
        let slot = locator.slot
        guard let session = find(locator), let extras = extras(slot), let asked = extras.pendingLogin,
            asked.attempt == attempt
        else { return }
        extras.pendingLogin = nil
        session.pointee.flags.remove(.parked)
        switch verdict {
        case .admitted(let credentials): admit(slot, credentials, asked.kind)
        case .refused(let refusal): turnAway(slot, refusal, asked.kind)
        case .undecided: turnAway(slot, .undecided, asked.kind)
        }
        switch asked.kind {
        case .opening, .publication, .negotiation, .poll:
            if session.pointee.phase != .closing { io.updateInterest(slot) }
        case .connect: if self.extras(slot)?.connecting == nil { io.resumeInput(slot) }
        }
    }

    func admit(_ slot: UInt32, _ credentials: Credentials?, _ kind: PendingLogin.Kind) {
        if let objection = context.gatekeeper.objection(to: credentials) { return turnAway(slot, objection, kind) }
        // They are no sessions, so they do not count as such of their users.
        switch kind {
        case .publication(let request): return publish(request, slot, credentials)
        case .negotiation(let negotiation, let route): return answer(negotiation, slot, route)
        case .poll: return poll(slot, credentials)
        case .opening, .connect: break
        }
        guard assume(credentials, slot) else { return turnAway(slot, .tooManySessions, kind) }
        switch kind {
        case .opening(let head, let reply): open(slot, head, reply: reply)
        case .connect(let reply): connected(slot, reply, credentials)
        case .publication, .negotiation, .poll: fault("a request without a session became one")
        }
    }

    private func turnAway(_ slot: UInt32, _ refusal: AuthRefusal, _ kind: PendingLogin.Kind) {
        if refusal.isOurs { context.counters.undecided += 1 } else { context.counters.unauthorized += 1 }
        if refusal == .token(.revoked) { context.counters.revokedRefused += 1 }
        switch kind {
        case .opening, .publication, .negotiation, .poll:
            session(slot).pointee.phase = .head
            refuse(slot, refusal.response)
        case .connect(let reply):
            switch refusal.answer {
            case .failure(let failure) where session(slot).pointee.traits.login == .firstMessage:
                life.end(slot, failure == .tokenExpired ? .tokenExpired : .undecided)
            case .failure(let failure):
                // The client may try `connect` again on the same connection, with a new token. Until one is accepted,
                // nothing else it sends counts.
                session(slot).pointee.machine.loginRefused()
                extras(slot)?.known = [:]
                io.fail(slot, reply, failure)
            case .ending(let ending):
                life.end(slot, ending)
            }
        }
    }
}

/// What of a request the application may want to see later.
final class HandshakeContext {
    let target: String
    /// Of the request.
    let headers: [(name: String, value: String)]
    /// What a `connect` gave instead of headers; the last one counts.
    var emulated: [(name: String, value: String)] = []

    /// Each name once: what the request says counts more than what stands for it.
    var all: [(name: String, value: String)] {
        headers + emulated.filter { one in !headers.contains { $0.name == one.name } }
    }

    /// - Parameter secret: Parameters of the query that nobody else gets to see.
    init(_ head: RequestHead, _ forwarding: HeaderForwarding, from peer: IPAddress?, hiding secret: [String]) {
        target = head.target(without: secret)
        headers = forwarding.headers(of: head, from: peer)
    }
}
