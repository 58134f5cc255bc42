import Authentication
import Codec
import Reactor

/// A request that asks a session for what waits, or ends one, until it is answered.
final class AwaitedPoll {
    let id: SessionID.Secret
    let what: PollRequest.What
    /// When the connection was negotiated, in seconds since 1970.
    let issuedAt: Int64
    let route: DialectRoute
    /// Until it is known that the session is there.
    var head: RequestHead?
    /// A session begins here.
    var isBeginning = false
    /// Who has the request, and whether it is answered with messages of theirs: they have to hear what becomes of them.
    var source: PollSource?
    var isAnswered = false

    init(_ id: SessionID.Secret, _ what: PollRequest.What, issuedAt: Int64, _ route: DialectRoute, _ head: RequestHead)
    {
        self.id = id
        self.what = what
        self.issuedAt = issuedAt
        self.route = route
        self.head = head
    }
}

/// Requests of clients whose session has no connection: the session may be on any reactor of any node, and is looked for by the id that
/// was negotiated. Where nobody has it, and it can have been nowhere before, it begins here.
extension Admittance {
    /// The request is whole: who sends it is decided next, now or later.
    func poll(_ head: RequestHead, _ slot: UInt32, _ route: DialectRoute) {
        guard let token = connectionToken(head, slot, route) else { return }
        let session = session(slot)
        session.pointee.variant = Variant(route.dialect, in: .undecided, over: .longPolling)
        let lifetime = context.settings.hubs.rule(route.hub)?.tokenSeconds ?? 0
        makeExtras(slot).poll = AwaitedPoll(
            token.id, route.use == .goodbyes ? .end : .poll, issuedAt: token.expiresAt &- lifetime, route, head)
        let shown = head.token(named: route.dialect.tokenParameters, cookie: context.gatekeeper.cookie)
        // The application is asked about the session when it begins. After that, its connection token is enough, as it is for messages.
        if context.gatekeeper.isForApplication(shown) { return look(slot, .unknown) }
        authenticate(head, slot, token: shown, for: .poll)
    }

    /// It is known who asks.
    func poll(_ slot: UInt32, _ credentials: Credentials?) {
        session(slot).pointee.phase = .head
        let user = credentials?.user.map { PollRequest.User.name(Array($0.utf8)) }
        look(slot, user ?? .visitor)
    }

    /// The session is looked for.
    private func look(_ slot: UInt32, _ user: PollRequest.User) {
        guard let poll = extras(slot)?.poll else { return fault("nobody asks") }
        session(slot).pointee.phase = .polling
        context.awaitedPolls += 1
        request(.poll(PollRequest(poll.what, poll.id, user), issuedAt: poll.issuedAt, locator(of: slot)))
    }

    /// It is known what becomes of a request.
    func polled(_ locator: Locator, _ id: SessionID.Secret, _ answer: PollAnswer, by source: PollSource) {
        guard let session = find(locator), session.pointee.phase == .polling, let poll = extras(locator.slot)?.poll,
            poll.id == id
        else {
            if case .messages = answer { request(.pollSettled(PollRequest(.returned, id), source, locator)) }
            return
        }
        let slot = locator.slot
        guard answer.isLast else {
            poll.source = source
            poll.head = nil
            // It may wait for long, and is no handshake any more.
            if session.pointee.flags.contains(.counted), !session.pointee.flags.contains(.settled) {
                context.admission.opened(session.pointee.peer.address)
                session.pointee.flags.insert(.settled)
            }
            return
        }
        poll.source = nil
        if case .messages = answer {
            poll.source = source
            poll.isAnswered = true
        }
        answerPoll(slot, answer)
    }

    /// Nobody has the session: it begins here, with this request.
    func beginPolled(_ locator: Locator, _ id: SessionID.Secret) {
        guard let session = find(locator), session.pointee.phase == .polling, let poll = extras(locator.slot)?.poll,
            let head = poll.head, poll.id == id
        else { return request(.closed(id, locator)) }
        poll.isBeginning = true
        session.pointee.secret = id
        session.pointee.phase = .head
        context.awaitedPolls -= 1
        guard isConnectInTime(locator.slot) else { return }
        begin(head, locator.slot, poll.route, body: nil)
    }

    /// The request is answered without having been heard of.
    func pollNotAnswered(_ slot: UInt32) {
        guard let poll = extras(slot)?.poll, poll.source == nil else { return }
        context.counters.handshakeTimeouts += 1
        forgetPoll(slot)
        answerPoll(slot, .unreachable)
    }

    /// The node leaves: the client asks elsewhere. One whose session was not found yet has to connect again.
    func endPoll(_ slot: UInt32) {
        let isHeld = extras(slot)?.poll?.source != nil
        forgetPoll(slot)
        answerPoll(slot, isHeld ? .nothing : .unreachable)
    }

    /// The last bytes of an answer are on their way, or the connection is gone without.
    func pollDelivered(_ slot: UInt32, isTaken: Bool) {
        guard let poll = extras(slot)?.poll, poll.isAnswered, let source = poll.source else { return }
        extras(slot)?.poll = nil
        request(.pollSettled(PollRequest(isTaken ? .taken : .returned, poll.id), source, locator(of: slot)))
    }

    /// The connection of a request is gone, or the request is answered otherwise.
    func forgetPoll(_ slot: UInt32) {
        guard let poll = extras(slot)?.poll else { return }
        guard !poll.isAnswered else { return pollDelivered(slot, isTaken: false) }
        extras(slot)?.poll = nil
        if poll.isBeginning { return request(.closed(poll.id, locator(of: slot))) }
        guard session(slot).pointee.phase == .polling, poll.what == .poll else { return }
        request(.pollGone(poll.id, poll.source, locator(of: slot)))
    }

    func answerPoll(_ slot: UInt32, _ result: PollAnswer) {
        let headers = [("Cache-Control", "no-store")] + (extras(slot)?.asked?.crossOrigin?.headers ?? [])
        switch result {
        case .messages(let messages):
            answer(slot, lingering: PolledSession.delivery) { writer in
                messages.withUnsafeBytes {
                    HTTPResponse.write(
                        status: 200,
                        headers: [
                            ("Content-Type", "application/octet-stream"), ("X-Content-Type-Options", "nosniff"),
                        ] + headers, body: $0, to: writer)
                }
            }
        case .nothing: answer(slot) { HTTPResponse.write(status: 200, headers: headers, body: "", to: $0) }
        case .over: answer(slot) { HTTPResponse.writeNoContent(headers: headers, to: $0) }
        case .ended: answer(slot) { HTTPResponse.write(status: 202, headers: headers, body: "", to: $0) }
        case .held: fault("a request that waits is answered")
        case .unknown, .gone, .busy, .otherUser, .unreachable:
            context.counters.pollsRefused += 1
            extras(slot)?.poll = nil
            refuse(slot, result.refusal)
        }
    }
}

extension PollAnswer {
    fileprivate var refusal: HTTPError {
        switch self {
        case .busy:
            HTTPError(
                status: 409, code: "connection_in_use",
                message: "this connection is being opened, or has another transport")
        case .otherUser:
            HTTPError(status: 403, code: "other_user", message: "this connection was opened by another user")
        case .unreachable:
            HTTPError(
                status: 503, code: "temporarily_unavailable",
                message: "the other nodes could not be asked for the session, try again",
                headers: [("Retry-After", "1")])
        default:
            HTTPError(
                status: 404, code: "unknown_connection",
                message: "there is no session of this connection id any more: negotiate again")
        }
    }
}

extension Gatekeeper {
    /// Whether the application alone can say who shows this.
    func isForApplication(_ token: String?) -> Bool { asksApplication && (token == nil || asksApplicationAgain) }
}
