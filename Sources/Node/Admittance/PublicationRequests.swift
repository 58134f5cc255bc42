import Backplane
import Codec
import Reactor

/// Publications that come in requests of their own, from pages and devices without a WebSocket. Each is judged as a session's would
/// be: the token, the channel's rule, the rate. The request is answered when the backplane has the publication, and the connection is
/// closed.
extension Admittance {
    /// The request is whole: who sends it is decided next, now or later.
    func publish(_ head: RequestHead, _ slot: UInt32, _ route: DialectRoute, _ body: [UInt8]) {
        let request: PublicationRequest
        do throws(HTTPError) { request = try route.dialect.publicationRequest(head, body) } catch {
            context.counters.publishRequestsRefused += 1
            return refuse(slot, error)
        }
        authenticate(head, slot, token: head.token(cookie: context.gatekeeper.cookie), for: .publication(request))
    }

    /// It is known who publishes.
    func publish(_ request: PublicationRequest, _ slot: UInt32, _ credentials: Credentials?) {
        let session = session(slot)
        session.pointee.phase = .head
        let rule = context.settings.rules.rule(for: request.channel)
        guard rule.allowsPublish(to: request.channel, credentials) else {
            context.counters.refusedPublishes += 1
            return refusePublication(slot, .notPermitted(request.channel))
        }
        let wait = context.admission.publishers.enter(
            credentials?.user, session.pointee.peer.address, context.settings.publishRate,
            cost: CommandCost.publish(keptBy: rule.history),
            now: reactor.now.nanoseconds)
        guard wait == 0 else {
            context.counters.publishRateHits += 1
            return refusePublication(
                slot,
                .tooFast(
                    isUser: credentials?.user != nil, seconds: ConnectGate.seconds(after: wait, using: &random)))
        }
        session.pointee.phase = .publishing
        session.pointee.flags.insert(.parked)
        io.updateInterest(slot)
        context.counters.published &+= 1
        let publication = Publication(
            channel: request.channel, kind: request.kind, payload: request.payload, origin: node,
            time: context.turnTime)
        if events.wants(.published) { notePublished(slot, publication, by: credentials?.user) }
        self.request(.publish(publication, rule.history, PublishTicket(replyTo(slot))))
    }

    /// It is known what became of a publication.
    ///
    /// - Parameter outcome: Nil when that was not known in time.
    func published(_ slot: UInt32, _ outcome: PublishOutcome?) {
        let session = session(slot)
        session.pointee.flags.remove(.parked)
        io.updateInterest(slot)
        switch outcome {
        case .accepted(let position):
            context.counters.publishRequests += 1
            let crossOrigin = extras(slot)?.asked?.crossOrigin
            let body = position.map { "{\"position\":\"\($0)\"}\n" } ?? "{\"position\":null}\n"
            answer(slot) { writer in
                HTTPResponse.write(
                    status: 200,
                    headers: [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
                        + (crossOrigin?.headers ?? []),
                    body: body, to: writer)
            }
        case .refused(let refusal): refusePublication(slot, .notPublished("\(refusal)"))
        case nil: refusePublication(slot, .notPublished("\(PublishRefusal.unknown)"))
        }
    }

    private func refusePublication(_ slot: UInt32, _ error: HTTPError) {
        context.counters.publishRequestsRefused += 1
        refuse(slot, error)
    }
}

extension HTTPError {
    fileprivate static func notPermitted(_ channel: ChannelName) -> HTTPError {
        HTTPError(
            status: 403, code: "not_permitted", message: "publishing to channel '\(channel)' is not permitted")
    }

    fileprivate static func tooFast(isUser: Bool, seconds: Int) -> HTTPError {
        HTTPError(
            status: 429, code: "too_many_publications",
            message:
                "this \(isUser ? "user" : "address") publishes too fast (limits.publish_rate), come back in \(seconds) s",
            headers: [("Retry-After", "\(seconds)")])
    }

    fileprivate static func notPublished(_ reason: String) -> HTTPError {
        HTTPError(status: 503, code: "not_published", message: reason, headers: [("Retry-After", "1")])
    }
}
