import Authentication
import Codec
import Reactor

/// What clients of a hub ask before they connect, and what they bring back when they do.
///
/// The answer has a token that says which connection it is for. Nothing is kept of it, so any node accepts the connection, and no
/// balancer has to bring a client back to the node that answered it.
extension Admittance {
    /// The request is whole: who sends it is decided next, now or later.
    func negotiate(_ head: RequestHead, _ slot: UInt32, _ route: DialectRoute) {
        let negotiation: Negotiation
        do throws(HTTPError) { negotiation = try route.dialect.negotiation(head, at: route) } catch {
            return refuse(slot, error)
        }
        let kind = PendingLogin.Kind.negotiation(negotiation, route)
        if route.isForHubTokens { return authenticate(head, slot, clientOf: route, for: kind) }
        authenticate(
            head, slot, token: head.token(named: route.dialect.tokenParameters, cookie: context.gatekeeper.cookie),
            for: kind)
    }

    /// It is known who asks.
    func answer(_ negotiation: Negotiation, _ slot: UInt32, _ route: DialectRoute) {
        session(slot).pointee.phase = .head
        // The configuration may have changed since it came.
        guard let hub = context.settings.hubs.rule(negotiation.hub) else { return refuse(slot, .hubGone) }
        let id = SessionID.Secret.random(using: &random)
        let begin = MonotonicTime.now()
        var negotiation = negotiation
        negotiation.isResumable = negotiation.isResumable && context.settings.resume.time > .zero
        let token = ConnectionToken(
            id, expiresAt: context.gatekeeper.now &+ hub.tokenSeconds, isResumable: negotiation.isResumable
        ).signed(for: hub)
        io.spent(since: begin)
        guard let token else { return refuse(slot, .notSigned) }
        context.counters.negotiations += 1
        let crossOrigin = extras(slot)?.asked?.crossOrigin
        let body = ByteWriter(capacity: 512)
        route.dialect.answer(negotiation, id: id.text, token: token, to: body)
        answer(slot) { writer in
            HTTPResponse.write(
                status: 200,
                headers: [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
                    + (crossOrigin?.headers ?? []),
                body: String(decoding: body.bytes, as: UTF8.self), to: writer)
        }
    }

    /// A client brings the token of its connection, and the session has the id that was negotiated. One that brings none has not
    /// negotiated, which it need not.
    ///
    /// - Parameter isNeeded: Whether it has to have one.
    /// - Returns: Whether the client may go on; else it was answered.
    func takeConnectionToken(_ head: RequestHead, _ slot: UInt32, _ route: DialectRoute, isNeeded: Bool) -> Bool {
        guard isNeeded || route.dialect.connectionToken(in: head) != nil else { return true }
        guard let token = connectionToken(head, slot, route) else { return false }
        session(slot).pointee.secret = token.id
        if token.isResumable, !isNeeded { session(slot).pointee.linkage = .undecided }
        return true
    }

    /// Whether the client may want to go on with a session that it cannot go on with any more: then it was answered.
    func isGone(_ slot: UInt32) -> Bool {
        let session = session(slot)
        guard session.pointee.linkage == .undecided,
            life.gone.contains(session.pointee.secret, for: credentials(slot)?.user)
        else { return false }
        context.counters.resumesRefused += 1
        refuse(
            slot,
            HTTPError(
                status: 404, code: "unknown_connection",
                message: "the session of this connection id cannot be resumed: negotiate again"))
        return true
    }

    /// The token of the connection that a request names.
    ///
    /// - Returns: Nil if the client was answered.
    func connectionToken(_ head: RequestHead, _ slot: UInt32, _ route: DialectRoute) -> ConnectionToken? {
        guard let hub = context.settings.hubs.rule(route.hub) else {
            refuse(slot, .hubGone)
            return nil
        }
        guard let text = route.dialect.connectionToken(in: head) else {
            refuse(
                slot,
                HTTPError(
                    status: 400, code: "connection_missing",
                    message: "the request names no connection: use \(head.path)?id=TOKEN"))
            return nil
        }
        let begin = MonotonicTime.now()
        defer { io.spent(since: begin) }
        do {
            return try ConnectionToken(text, of: hub, now: context.gatekeeper.now)
        } catch {
            context.counters.connectionTokensRefused += 1
            // Clients negotiate again on this status, and on no other.
            refuse(slot, HTTPError(status: 404, code: "unknown_connection", message: "\(error): negotiate again"))
            return nil
        }
    }

    /// Messages of a client whose connection carries none: for the session with the id that was negotiated, wherever it is.
    ///
    /// - Returns: Nil if the client was answered.
    func commandRequest(_ head: RequestHead, _ slot: UInt32, _ route: DialectRoute, _ body: [UInt8]) -> CommandRequest?
    {
        guard let id = connectionToken(head, slot, route)?.id else { return nil }
        guard !body.isEmpty else {
            refuse(slot, HTTPError(status: 400, code: "message_missing", message: "the body has to be messages"))
            return nil
        }
        return CommandRequest(id: id, message: body)
    }
}

extension ConnectionToken {
    /// Of a hub without keys, which only this process knows: such a node has no others beside it.
    private static let ownKey = (0..<4).flatMap { _ in
        withUnsafeBytes(of: UInt64.random(in: 0...UInt64.max)) { Array($0) }
    }

    private static func keys(of hub: HubRule) -> [[UInt8]] { hub.keys.isEmpty ? [ownKey] : hub.keys }

    fileprivate func signed(for hub: HubRule) -> [UInt8]? {
        signed(for: Array(hub.path.utf8), by: Self.keys(of: hub)[0])
    }

    fileprivate init(_ text: String, of hub: HubRule, now: Int64) throws(ConnectionTokenError) {
        try self.init(Array(text.utf8), of: Array(hub.path.utf8), keys: Self.keys(of: hub), now: now)
    }
}

extension HTTPError {
    fileprivate static var notSigned: HTTPError {
        HTTPError(
            status: 503, code: "temporarily_unavailable", message: "the connection could not be signed, try again",
            headers: [("Retry-After", "1")])
    }
    static var hubGone: HTTPError {
        HTTPError(status: 404, code: "unknown_path", message: "there is no such hub any more")
    }
}
