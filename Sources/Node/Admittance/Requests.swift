import Codec

/// The request of a client: from its first byte to the dialect it asks for, or to its refusal.
extension Admittance {
    func receivedHead(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ bytes: UnsafeMutableRawBufferPointer
    ) {
        guard var early = takeEarly(slot) else { return parseHead(slot, session, UnsafeRawBufferPointer(bytes)) }
        early.append(contentsOf: bytes)
        early.withUnsafeBytes { parseHead(slot, session, $0) }
    }

    private func parseHead(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ bytes: UnsafeRawBufferPointer
    ) {
        switch RequestHeadParser.parse(bytes, limits: HTTPLimits()) {
        case .incomplete:
            keepEarly(slot, bytes)
        case .failure(let error):
            refuse(slot, error)
        case .head(let head, let consumed):
            var rest = Array(bytes[consumed...])
            rest.withUnsafeBytes { route(head, slot, rest: $0) }
            guard !rest.isEmpty, session.pointee.traits.takesInput,
                [.authenticating, .opening, .open].contains(session.pointee.phase)
            else { return }
            // Frames before our reply are early but not wrong; they are read once the session is open.
            if session.pointee.phase != .open {
                rest.withUnsafeBytes { keepEarly(slot, $0) }
            } else {
                rest.withUnsafeMutableBytes { io.receivedFrames(slot, session, $0) }
            }
        }
    }

    /// Bytes that came before their time.
    func keepEarly(_ slot: UInt32, _ bytes: UnsafeRawBufferPointer) {
        makeExtras(slot).early.append(contentsOf: bytes)
    }

    func takeEarly(_ slot: UInt32) -> [UInt8]? {
        guard let extras = extras(slot), !extras.early.isEmpty else { return nil }
        defer { extras.early = [] }
        return extras.early
    }

    /// - Parameter rest: What came behind the head.
    private func route(_ head: RequestHead, _ slot: UInt32, rest: UnsafeRawBufferPointer) {
        let route = Dialect.at(path: head.path) ?? context.settings.hubs.route(of: head)
        makeExtras(slot).asked = Asked(head, route, context.settings.origins)
        if head.path == "/health" { return answerHealth(head, slot) }
        guard let route else {
            let paths = Dialect.allCases.flatMap(\.routes).map(\.path) + context.settings.hubs.paths
            return refuse(
                slot,
                HTTPError(
                    status: 404, code: "unknown_path",
                    message: "unknown path; the client port serves \(paths.joined(separator: ", ")), /health"))
        }
        if route.isPlainHTTP, head.method == "OPTIONS" { return answerOptions(head, slot, route) }
        guard route.beginsSession ? isConnectInTime(slot) : isRequestInTime(slot) else { return }
        guard context.settings.origins.allows(head) else {
            return refuse(slot, context.settings.origins.refusal(of: head))
        }
        guard !route.isPlainHTTP || route.allows(head.method) else {
            return refuse(
                slot,
                HTTPError(
                    status: 405, code: "method_not_allowed",
                    message: "\(route.path) is requested with \(route.methods.joined(separator: " or "))",
                    headers: [("Allow", route.allowed)]))
        }
        if route.isPlainHTTP, head.method == "POST" { return beginBody(head, slot, route, rest: rest) }
        guard !route.isPlainHTTP || !head.hasBody else {
            return refuse(slot, HTTPError(status: 400, code: "unexpected_body", message: "this request has no body"))
        }
        if route.use == .polls || route.use == .goodbyes { return poll(head, slot, route) }
        begin(head, slot, route, body: nil)
    }

    /// The request is whole that begins a session.
    func begin(_ head: RequestHead, _ slot: UInt32, _ route: DialectRoute, body: [UInt8]?) {
        guard let plain = route.variant(in: route.dialect.encoding(askedForBy: head, at: route)) else {
            return fault("a session begins where none can")
        }
        do throws(HTTPError) {
            if let message = try route.dialect.firstMessage(of: head, body: body, at: route) {
                io.keepFirstMessage(slot, message)
            }
        } catch {
            return refuse(slot, error)
        }
        let session = session(slot)
        if route.hub != 0, !takeConnectionToken(head, slot, route, isNeeded: plain.traits.isFoundByID) { return }
        session.pointee.variant = plain
        session.pointee.machine = DialectMachine(plain, hub: route.hub)
        switch plain.transport {
        case .eventStream:
            authenticate(head, slot, at: route, reply: .eventStream(context.settings.origins.crossOrigin(head)))
        case .stream:
            authenticate(
                head, slot, at: route,
                reply: .stream(isText: plain.isText, context.settings.origins.crossOrigin(head)))
        case .longPolling: authenticate(head, slot, at: route, reply: .poll)
        case .webSocket:
            switch Handshake.check(head) {
            case .failure(let error): refuse(slot, error)
            case .success(let accepted):
                let deflate =
                    context.settings.compression.isOn ? accepted.extensions.flatMap(DeflateAgreement.init) : nil
                let agreed = route.dialect.agreement(on: accepted.protocols, head, at: route)
                session.pointee.variant = (route.variant(in: agreed.encoding) ?? plain).packed(by: deflate)
                session.pointee.machine = DialectMachine(session.pointee.variant, hub: route.hub)
                session.pointee.reader = FrameReader(role: .server, allowsCompression: deflate != nil)
                authenticate(
                    head, slot, at: route,
                    reply: .webSocket(
                        accept: accepted.accept, protocol: agreed.subprotocol, extensions: deflate?.response))
            }
        }
    }

    private func answerHealth(_ head: RequestHead, _ slot: UInt32) {
        guard head.method == "GET" || head.method == "HEAD" else {
            return refuse(
                slot,
                HTTPError(
                    status: 405, code: "method_not_allowed", message: "/health is requested with GET or HEAD",
                    headers: [("Allow", "GET, HEAD")]))
        }
        answer(slot) { writer in
            HTTPResponse.write(
                status: context.reach.isReady && !isDraining ? 200 : 503,
                headers: [("Content-Type", "text/plain"), ("Cache-Control", "no-store")],
                body: isDraining ? "draining\n" : context.reach.isReady ? "ready\n" : "isolated\n",
                isHead: head.method == "HEAD",
                to: writer)
        }
    }

    /// A page wants to know what it may send (WHATWG Fetch 4.8), or somebody what is possible here.
    private func answerOptions(_ head: RequestHead, _ slot: UInt32, _ route: DialectRoute) {
        guard context.settings.origins.allows(head) else {
            return refuse(slot, context.settings.origins.refusal(of: head))
        }
        let crossOrigin = context.settings.origins.crossOrigin(head)
        let isPreflight = crossOrigin != nil && head.header("access-control-request-method") != nil
        answer(slot) { writer in
            HTTPResponse.write(
                status: 200,
                headers: [("Allow", route.allowed)] + (crossOrigin?.headers ?? [])
                    + (isPreflight
                        ? CrossOrigin.preflight(
                            methods: route.methods, requested: head.joined("access-control-request-headers")) : []),
                body: "", to: writer)
        }
    }

    /// Says no, and closes.
    ///
    /// `EventSource` gives up for good when the status is not 200, and comes back by itself when a stream ends (WHATWG HTML
    /// 9.2.3). So one that may try again gets a stream that says when and why, and ends.
    func refuse(_ slot: UInt32, _ error: HTTPError) {
        context.counters.refusedHandshakes += 1
        noteRefusal(slot, error.code, "\(error.message) (status \(error.status))")
        let asked = extras(slot)?.asked
        answer(slot) { writer in
            if let asked, let stream = asked.stream, let seconds = error.retryAfter {
                let milliseconds = seconds * 1000 + Int.random(in: 0..<1000, using: &random)
                EventStreamHead.write(headers: asked.crossOrigin?.headers ?? [], retry: milliseconds, to: writer)
                stream.write(.refused(error), to: writer)
            } else {
                error.write(adding: asked?.crossOrigin?.headers ?? [], isHead: asked?.isHead ?? false, to: writer)
            }
        }
    }

    /// Sends the last bytes, and closes.
    ///
    /// - Parameter lingering: How long the client may take to read them.
    func answer(
        _ slot: UInt32, lingering: Duration = SessionLife.lingering, _ write: (ByteWriter) -> Void
    ) {
        forgetBody(slot)
        // The session that was to begin here does not.
        if extras(slot)?.poll?.isBeginning == true { forgetPoll(slot) }
        extras(slot)?.asked = nil
        if session(slot).pointee.phase == .polling { context.awaitedPolls -= 1 }
        session(slot).pointee.phase = .closing
        io.send(slot, write)
        arm(.lingering, slot, after: lingering)
    }
}

/// What is known of a request that is not answered yet and that its refusal depends on.
struct Asked {
    /// The answer has no body.
    let isHead: Bool
    /// An event stream was asked for, of this variant, by a page that may have one or by no page.
    let stream: Variant?
    let crossOrigin: CrossOrigin?
    /// Of the page that asks.
    let origin: String?
    let isOfHub: Bool

    init(_ head: RequestHead, _ route: DialectRoute?, _ origins: OriginRule) {
        isHead = head.method == "HEAD"
        let asked = route?.variant()
        let isStream =
            asked?.transport == .eventStream && asked?.traits.refusesInStream == true && head.method == "GET"
        stream = isStream && origins.allows(head) ? asked : nil
        crossOrigin = origins.crossOrigin(head)
        origin = head.header("origin")
        isOfHub = route.map { $0.hub != 0 } ?? false
    }
}
