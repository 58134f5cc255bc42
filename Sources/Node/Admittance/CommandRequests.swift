package import Codec
import Reactor

/// Who waits for what becomes of commands that came in a request of their own.
package enum CommandAsker: Equatable, Sendable {
    /// A connection of this node, which is answered and closed.
    case connection(Locator)
    /// Another node, which was asked by its client.
    case node(NodeID, question: UInt64)
}

/// Commands that come in requests of their own, for sessions whose connection carries none: the session may be on any reactor, and
/// on any node. The request is answered when the session has its commands behind those it had before, so a client that waits for
/// the answer keeps its order.
extension Admittance {
    /// - Returns: Whether the client may go on; else it was answered.
    func isRequestInTime(_ slot: UInt32) -> Bool {
        do {
            try context.admission.requests.enter(session(slot).pointee.peer.address, now: reactor.now.nanoseconds)
            return true
        } catch {
            context.counters.requestRateHits += 1
            refuse(
                slot,
                HTTPError(
                    status: 429, code: "too_many_requests",
                    message: "too many requests at the moment (limits.requests_per_second)",
                    headers: [("Retry-After", "\(ConnectGate.seconds(after: error.wait, using: &random))")]))
            return false
        }
    }

    /// The request is whole: its commands go to their session.
    func carry(_ head: RequestHead, _ slot: UInt32, _ route: DialectRoute, _ body: [UInt8]) {
        let request: CommandRequest
        if route.hub != 0 {
            guard let found = commandRequest(head, slot, route, body) else {
                context.counters.commandRequestsRefused += 1
                return
            }
            request = found
        } else {
            do throws(HTTPError) { request = try route.dialect.commandRequest(head, body) } catch {
                context.counters.commandRequestsRefused += 1
                return refuse(slot, error)
            }
        }
        let session = session(slot)
        session.pointee.phase = .carrying
        session.pointee.flags.insert(.parked)
        io.updateInterest(slot)
        self.request(.carry(request, .connection(locator(of: slot))))
    }

    /// Somebody else's commands came for a session of this reactor.
    func take(_ request: CommandRequest, from asker: CommandAsker) {
        self.request(.carried(io.take(request), asker))
    }

    /// It is known what became of the commands that came on a connection.
    func carried(_ locator: Locator, _ verdict: CommandRequest.Verdict) {
        guard let session = find(locator), session.pointee.phase == .carrying else { return }
        let slot = locator.slot
        session.pointee.flags.remove(.parked)
        io.updateInterest(slot)
        guard verdict == .taken else {
            context.counters.commandRequestsRefused += 1
            return refuse(slot, verdict.refusal)
        }
        context.counters.commandRequests += 1
        let asked = extras(slot)?.asked
        let headers = asked?.crossOrigin?.headers ?? []
        answer(slot) { writer in
            // Some clients of hubs take nothing else for a success.
            if asked?.isOfHub == true { return HTTPResponse.write(status: 200, headers: headers, body: "", to: writer) }
            HTTPResponse.writeNoContent(headers: headers, to: writer)
        }
    }
}

extension SessionIO {
    /// Commands of a session come in a request.
    func take(_ request: CommandRequest) -> CommandRequest.Verdict {
        let locator = Locator(request.key.locator)
        guard request.key.node == node, Int(locator.reactor) == index, let session = find(locator),
            session.pointee.phase == .open, let secret = opening(session, locator.slot, isByID: request.isByID),
            secret.isSame(as: request.key.secret)
        else { return .unknown }
        // A session that has not said yet how it is written takes what says it.
        let encoding = session.pointee.variant.encoding
        guard request.isByID || [request.encoding, .undecided].contains(encoding) else { return .wrongEncoding }
        // Who brings a message by the id of the session does not know whether it has to be text.
        if request.isByID, encoding == .standard {
            guard request.message.withUnsafeBytes({ UTF8Validator.isValid($0) }) else { return .wrongEncoding }
        }
        if let waiting = extras(locator.slot)?.suspended?.count, waiting > 0 {
            guard waiting + request.message.count <= context.settings.batchLimits.messageBytes else { return .tooMuch }
        }
        session.pointee.bytesIn &+= UInt64(request.message.count)
        session.pointee.flags.insert(.heard)
        hold(locator.slot, messages: [request.message])
        guard session.pointee.phase == .open else { return .tooMuch }
        if session.pointee.flags.isDisjoint(with: SessionSlot.Flags.unread) { enqueueInput(locator.slot) }
        return .taken
    }

    /// What a request has to have to bring commands to the session; nil when there is nothing.
    private func opening(
        _ session: UnsafeMutablePointer<SessionSlot>, _ slot: UInt32, isByID: Bool
    ) -> SessionID.Secret? {
        guard isByID else { return extras(slot)?.commandSecret }
        return session.pointee.traits.isFoundByID ? session.pointee.secret : nil
    }
}

extension CommandRequest.Verdict {
    fileprivate var refusal: HTTPError {
        switch self {
        case .taken, .unreachable:
            HTTPError(
                status: 503, code: "temporarily_unavailable",
                message: "the node of the session could not be reached in time, try again",
                headers: [("Retry-After", "1")])
        case .unknown:
            HTTPError(status: 404, code: "unknown_session", message: "there is no such session")
        case .wrongEncoding:
            HTTPError(
                status: 400, code: "wrong_encoding", message: "the commands are not in the encoding of the session")
        case .tooMuch:
            HTTPError(
                status: 429, code: "too_many_requests",
                message: "too many commands of this session wait to be carried out (limits.batch_bytes)",
                headers: [("Retry-After", "1")])
        }
    }
}
