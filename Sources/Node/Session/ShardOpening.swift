import Codec
package import Reactor

/// A session's first bytes: from the accepted socket over the request head to the reply that opens it.
extension Shard {
    /// A client has connected.
    ///
    /// - Parameter isSecure: Whether it begins with TLS, behind a PROXY header if there is one.
    package func accepted(_ descriptor: Int32, from peer: SocketAddress, isSecure: Bool) {
        counters.accepted += 1
        let stream = Stream(descriptor: descriptor)
        if settings.proxy.isRequired, !settings.proxy.trusts(peer) {
            counters.proxyRefused += 1
            Socket.resetOnClose(descriptor)
            return stream.close()
        }
        guard admission.entered() else {
            counters.refusedSessions += 1
            return stream.close()
        }
        guard let slot = table.take() else {
            counters.refusedSessions += 1
            admission.left()
            return stream.close()
        }
        let session = session(slot)
        session.pointee.stream = stream
        session.pointee.peer = PeerAddress(peer)
        if isSecure { session.pointee.flags.insert(.secure) }
        session.pointee.phase = settings.proxy.isRequired ? .proxy : .head
        session.pointee.secret = .random(using: &random)
        if case .unix = peer {} else { Socket.setNoDelay(descriptor) }
        do {
            try reactor.register(
                descriptor, for: .readable, handler: handler, slot: slot, generation: session.pointee.generation)
        } catch {
            counters.refusedSessions += 1
            stream.close()
            table.release(slot)
            admission.left()
            return
        }
        arm(.handshake, slot, after: settings.handshakeTimeout)
        if settings.proxy.isRequired { return arm(.proxy, slot) }
        guard admit(slot) else { return }
        beginRequest(slot, session)
    }

    /// Counts a connection under its address. One too many is dropped at once: a reply would cost what the limit is to
    /// save.
    func admit(_ slot: UInt32) -> Bool {
        let session = session(slot)
        do {
            try admission.begin(session.pointee.peer.address)
            session.pointee.flags.insert(.counted)
            return true
        } catch {
            switch error {
            case .handshakes: counters.handshakeLimitHits += 1
            case .sessionsOfAddress, .handshakesOfAddress: counters.addressLimitHits += 1
            }
            drop(slot)
            return false
        }
    }

    /// Reads what came in and hands it to whatever the session is at the moment.
    func read(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        if session.pointee.phase == .proxy { return readProxyHeader(slot, session) }
        let generation = session.pointee.generation
        readOnce(slot, session)
        guard session.pointee.stream.isEncrypted, table.find(slot, generation: generation) != nil else { return }
        // An end or a failure that came with the last bytes makes no socket readable.
        if session.pointee.stream.hasPending {
            readOnce(slot, session)
            guard table.find(slot, generation: generation) != nil else { return }
        }
        if !session.pointee.outbound.isEmpty, !session.pointee.flags.contains(.blocked) { markDirty(slot, session) }
    }

    private func readOnce(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        switch session.pointee.stream.read(into: reactor.readBuffer) {
        case .bytes(let count):
            counters.bytesIn &+= UInt64(count)
            session.pointee.bytesIn &+= UInt64(count)
            session.pointee.flags.insert(.heard)
            let bytes = UnsafeMutableRawBufferPointer(rebasing: reactor.readBuffer[..<count])
            switch session.pointee.phase {
            case .head: receivedHead(slot, session, bytes)
            case .open: receivedFrames(slot, session, bytes)
            case .closing: receivedWhileClosing(slot, session, bytes)
            // Reading is switched off while opening, and a free slot has no socket.
            case .opening, .judging, .proxy, .securing, .free: break
            }
        case .wouldBlock:
            break
        case .end, .failed:
            drop(slot)
        }
    }

    private func receivedHead(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ bytes: UnsafeMutableRawBufferPointer
    ) {
        var whole = bytes
        if let early = session.pointee.early {
            early.pointee.append(UnsafeRawBufferPointer(bytes))
            whole = early.pointee.bytes
        }
        switch RequestHeadParser.parse(UnsafeRawBufferPointer(whole), limits: HTTPLimits()) {
        case .incomplete:
            if session.pointee.early == nil { keepEarly(session, bytes) }
        case .failure(let error):
            refuse(slot, error)
        case .head(let head, let consumed):
            let rest = Array(whole[consumed...])
            table.freeEarly(slot)
            route(head, slot)
            guard !rest.isEmpty, [.judging, .opening, .open].contains(session.pointee.phase) else { return }
            // Frames before our reply are early but not wrong; they are read once the session is open.
            if session.pointee.phase != .open {
                rest.withUnsafeBytes { keepEarly(session, UnsafeMutableRawBufferPointer(mutating: $0)) }
            } else {
                var rest = rest
                rest.withUnsafeMutableBytes { receivedFrames(slot, session, $0) }
            }
        }
    }

    func keepEarly(_ session: UnsafeMutablePointer<SessionSlot>, _ bytes: UnsafeMutableRawBufferPointer) {
        let early = UnsafeMutablePointer<ByteAccumulator>.allocate(capacity: 1)
        early.initialize(to: ByteAccumulator())
        early.pointee.append(UnsafeRawBufferPointer(bytes))
        session.pointee.early = early
    }

    // MARK: Routing

    private func route(_ head: RequestHead, _ slot: UInt32) {
        if head.path == "/health" { return answerHealth(head, slot) }
        guard let dialect = Dialect(path: head.path) else {
            return refuse(
                slot,
                HTTPError(
                    status: 404, code: "unknown_path",
                    message: "no dialect is spoken at this path; known are /raw, /sse, /connection/websocket, /health"))
        }
        guard isConnectInTime(head, dialect, slot) else { return }
        guard settings.origins.allows(head) else {
            return refuse(
                slot, HTTPError(status: 403, code: "origin_not_allowed", message: "this origin is not allowed here"))
        }
        let session = session(slot)
        session.pointee.dialect = dialect
        session.pointee.variant = dialect.variant(nil)
        switch dialect {
        case .sse:
            guard head.method == "GET" else {
                return refuse(
                    slot,
                    HTTPError(
                        status: 405, code: "method_not_allowed", message: "an event stream is asked for with GET",
                        headers: [("Allow", "GET")]))
            }
            guard !head.hasBody else {
                return refuse(
                    slot, HTTPError(status: 400, code: "unexpected_body", message: "this request has no body"))
            }
            judge(head, slot, reply: .sse(origin: head.header("origin")))
        case .raw, .centrifuge:
            switch Handshake.check(head) {
            case .failure(let error): refuse(slot, error)
            case .success(let accepted):
                let deflate = settings.compression.isOn ? accepted.extensions.flatMap(DeflateAgreement.init) : nil
                session.pointee.variant = dialect.variant(deflate)
                session.pointee.reader = FrameReader(role: .server, allowsCompression: deflate != nil)
                judge(
                    head, slot,
                    reply: .webSocket(
                        accept: accepted.accept, protocol: dialect.subprotocol(among: accepted.protocols),
                        extensions: deflate?.response))
            }
        }
    }

    private func answerHealth(_ head: RequestHead, _ slot: UInt32) {
        guard head.method == "GET" || head.method == "HEAD" else {
            return refuse(
                slot,
                HTTPError(
                    status: 405, code: "method_not_allowed", message: "health is asked for with GET or HEAD",
                    headers: [("Allow", "GET, HEAD")]))
        }
        writer.removeAll()
        HTTPResponse.write(
            status: isLinked && !isDraining ? 200 : 503,
            headers: [("Content-Type", "text/plain"), ("Cache-Control", "no-store")],
            body: head.method == "HEAD" ? "" : isDraining ? "draining\n" : isLinked ? "ready\n" : "isolated\n",
            to: writer)
        answer(slot)
    }

    /// Says no, and closes.
    func refuse(_ slot: UInt32, _ error: HTTPError) {
        counters.refusedHandshakes += 1
        writer.removeAll()
        error.write(to: writer)
        answer(slot)
    }

    /// Sends what `writer` holds as the last thing, and closes.
    func answer(_ slot: UInt32) {
        session(slot).pointee.phase = .closing
        sendWritten(slot)
        arm(.lingering, slot, after: Self.lingering)
    }

    // MARK: Opening

    /// Who it is has been decided: subscribes to what the request names, and to what the token says.
    func open(_ slot: UInt32, _ head: RequestHead, reply: OpeningReply) {
        let session = session(slot)
        let credentials = credentials(slot)
        var names: [ChannelName] = []
        var granted: Set<ChannelName> = []
        if session.pointee.dialect != .centrifuge {
            for (key, value) in head.query where key == "channel" {
                do {
                    let name = try ChannelName(validating: Array(value.utf8))
                    if !names.contains(name) { names.append(name) }
                } catch {
                    return refuse(
                        slot,
                        HTTPError(
                            status: 400, code: "invalid_channel", message: "\(error): in the query parameter 'channel'"
                        ))
                }
            }
            for name in (credentials?.channels ?? []) + (credentials?.userChannel.map { [$0] } ?? []) {
                granted.insert(name)
                if !names.contains(name) { names.append(name) }
            }
            guard names.contains(where: { !$0.isReserved }) else {
                return refuse(
                    slot,
                    HTTPError(
                        status: 400, code: "channel_missing",
                        message: "say which channel: \(head.path)?channel=NAME, repeated for more"))
            }
        }
        session.pointee.phase = .opening
        if names.isEmpty { return finishOpening(slot, reply) }
        session.pointee.unconfirmed = UInt16(clamping: names.count)
        let generation = session.pointee.generation
        replies[slot] = reply
        let known = session.pointee.dialect == .sse ? pasts(of: head, names) : [:]
        for name in names {
            pendingPast = known[name]
            defer { pendingPast = nil }
            do {
                try subscribe(slot, to: name, command: 0, isGranted: granted.contains(name))
            } catch {
                replies[slot] = nil
                session.pointee.phase = .head
                unsubscribeFromAll(slot)
                return refuse(slot, error.response(for: name))
            }
        }
        guard table.find(slot, generation: generation) != nil, session.pointee.phase == .opening else { return }
        if isLinked {
            session.pointee.flags.insert(.parked)
            updateInterest(slot)
        } else {
            // While the node is isolated nobody can confirm anything, and clients are still welcome: readiness and
            // the admin page say that nothing arrives from elsewhere.
            openNow(slot)
        }
    }

    /// A channel of an opening session, or of an open one, is confirmed.
    func confirmed(_ slot: UInt32, _ channel: ShardChannel, command: UInt32) {
        let session = session(slot)
        switch session.pointee.phase {
        case .opening:
            session.pointee.unconfirmed -= 1
            if session.pointee.unconfirmed == 0 { openNow(slot) }
        case .open:
            // Opened while the node was isolated: it joined then.
            guard let index = session.pointee.subscriptions.index(of: channel.index),
                session.pointee.subscriptions[index].place == Self.unplaced
            else { return }
            // One that the node subscribes is told with the reply to its `connect`, and begins there.
            if command == 0, session.pointee.dialect == .centrifuge, connecting[slot] != nil {
                if channel.rule.history != nil, !channel.name.isReserved {
                    return askPlace(slot, channel, command: 0)
                }
                return confirmedWhileConnecting(slot, channel.name, nil)
            }
            // One that asked for it by itself is told where it stands, and begins there.
            if channel.rule.history != nil, command != 0, !channel.name.isReserved {
                return askPlace(slot, channel, command: command)
            }
            join(slot, channel)
            guard session.pointee.dialect == .centrifuge, command != 0 else { break }
            confirmedCentrifuge(slot, channel, command: command)
        case .free, .proxy, .securing, .head, .judging, .closing:
            break
        }
    }

    private func openNow(_ slot: UInt32) {
        guard let reply = replies.removeValue(forKey: slot) else { return }
        finishOpening(slot, reply)
    }

    private func finishOpening(_ slot: UInt32, _ reply: OpeningReply) {
        let session = session(slot)
        counters.opened += 1
        session.pointee.phase = .open
        if session.pointee.flags.contains(.counted) {
            admission.opened(session.pointee.peer.address)
            session.pointee.flags.insert(.settled)
        }
        session.pointee.openedAt = UInt32(
            clamping: (reactor.now.nanoseconds &- startedAt.nanoseconds) / 1_000_000_000)
        writer.removeAll()
        reply.write(to: writer)
        sendWritten(slot)
        for index in 0..<session.pointee.subscriptions.count {
            let subscription = session.pointee.subscriptions[index]
            if subscription.place == Self.unplaced, let channel = channelsByIndex[Int(subscription.channel)] {
                let isResuming = !pasts.isEmpty && pasts[PastKey(slot: slot, channel: channel.index)] != nil
                if isResuming || (channel.rule.isCache && session.pointee.dialect != .centrifuge) {
                    askPlace(slot, channel, command: 0)
                } else {
                    join(slot, channel)
                }
            }
        }
        // A centrifuge client is told nothing before it has said `connect`.
        if session.pointee.dialect != .centrifuge { joinEverybody(slot) }
        arm(session.pointee.dialect == .centrifuge ? .connect : .ping, slot)
        if session.pointee.flags.contains(.parked) {
            session.pointee.flags.remove(.parked)
            updateInterest(slot)
        }
        if let early = session.pointee.early {
            session.pointee.early = nil
            receivedFrames(slot, session, early.pointee.bytes)
            early.pointee.deallocate()
            early.deallocate()
        }
    }
}

/// The reply that opens a session.
enum OpeningReply {
    case webSocket(accept: String, protocol: String?, extensions: String?)
    case sse(origin: String?)

    func write(to writer: ByteWriter) {
        switch self {
        case .webSocket(let accept, let subprotocol, let extensions):
            Handshake.writeResponse(accept: accept, protocol: subprotocol, extensions: extensions, to: writer)
        case .sse(let origin):
            SSEResponse.write(origin: origin, to: writer)
        }
    }
}

extension Shard.SubscribeRefusal {
    fileprivate func response(for name: ChannelName) -> HTTPError {
        switch self {
        case .alreadySubscribed:
            HTTPError(status: 400, code: "already_subscribed", message: "channel '\(name)' is named twice")
        case .tooManyChannels:
            HTTPError(
                status: 400, code: "too_many_channels",
                message: "a session may not subscribe to more channels (limits.channels_per_session)")
        case .notPermitted:
            HTTPError(
                status: 403, code: "not_permitted", message: "subscribing to channel '\(name)' is not permitted")
        }
    }
}
