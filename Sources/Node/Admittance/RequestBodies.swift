import Codec

/// A request whose body has not come in whole.
struct RequestBody {
    let head: RequestHead
    let route: DialectRoute
    /// Bytes that the head announces.
    let expected: Int
    var bytes: [UInt8] = []

    var missing: Int { expected - bytes.count }
}

/// Bodies of requests. Memory grows with the bytes that really came, never with the length that was announced.
extension Admittance {
    /// The head has come of a request that may have a body.
    ///
    /// - Parameter rest: What came behind the head.
    func beginBody(_ head: RequestHead, _ slot: UInt32, _ route: DialectRoute, rest: UnsafeRawBufferPointer) {
        let expected: Int
        do throws(HTTPError) {
            switch route.use {
            case .session, .commands, .negotiation, .polls, .goodbyes:
                expected = try head.bodyBytes(limit: context.settings.requestBytes, "limits.request_bytes")
            case .publication:
                expected = try head.bodyBytes(
                    limit: context.settings.frameLimits.messageBytes, "limits.message_bytes")
            }
        } catch {
            if error.status == 413 {
                if route.use == .publication {
                    context.counters.oversizedMessages += 1
                } else {
                    context.counters.oversizedRequests += 1
                }
            }
            return refuse(slot, error)
        }
        let session = session(slot)
        makeExtras(slot).body = RequestBody(head: head, route: route, expected: expected)
        session.pointee.phase = .body
        receivedBody(slot, session, rest)
    }

    func receivedBody(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ bytes: UnsafeRawBufferPointer
    ) {
        guard let extras = extras(slot), let missing = extras.body?.missing else {
            return fault("a body comes that nobody reads")
        }
        // Behind the body nothing counts: after the answer the connection is closed, or is a stream.
        let taken = bytes.prefix(missing)
        extras.body?.bytes.append(contentsOf: taken)
        io.incompleteBytes += taken.count
        guard io.incompleteBytes <= context.settings.reactorIncompleteBytes else {
            context.counters.incompleteLimitHits += 1
            return refuse(slot, .tooMuchIncomplete)
        }
        guard taken.count == missing, let body = forgetBody(slot) else { return }
        session.pointee.phase = .head
        switch body.route.use {
        case .session: begin(body.head, slot, body.route, body: body.bytes)
        // They are no POST, and have none.
        case .polls, .goodbyes: fault("a request has a body that has none")
        case .commands: carry(body.head, slot, body.route, body.bytes)
        case .publication: publish(body.head, slot, body.route, body.bytes)
        case .negotiation: negotiate(body.head, slot, body.route)
        }
    }

    /// The body is whole, or nobody waits for it any more.
    @discardableResult
    func forgetBody(_ slot: UInt32) -> RequestBody? {
        guard let extras = extras(slot), let body = extras.body else { return nil }
        extras.body = nil
        io.incompleteBytes -= body.bytes.count
        return body
    }
}

extension RequestHead {
    /// How long the body is.
    ///
    /// - Parameter key: The name of the limit.
    /// - Throws: The refusal of one that is too long, or whose length is not known before.
    fileprivate func bodyBytes(limit: Int, _ key: String) throws(HTTPError) -> Int {
        guard header("transfer-encoding") == nil else {
            throw HTTPError(
                status: 411, code: "length_required", message: "the body needs a Content-Length; it cannot be chunked")
        }
        guard !header("expect", hasToken: "100-continue") else {
            throw HTTPError(
                status: 417, code: "expectation_failed", message: "send the body without waiting for 100 (Continue)")
        }
        guard let length = header("content-length") else { return 0 }
        guard let bytes = Int(length), bytes <= limit else {
            throw HTTPError(
                status: 413, code: "body_too_large",
                message: "the body of this request has at most \(limit) bytes (\(key))")
        }
        return bytes
    }
}

extension HTTPError {
    fileprivate static var tooMuchIncomplete: HTTPError {
        HTTPError(
            status: 503, code: "too_much_incomplete",
            message: "too many bytes of incomplete messages on this node (limits.incomplete_bytes_node)",
            headers: [("Retry-After", "1")])
    }
}
