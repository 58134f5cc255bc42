import Codec
import Reactor

/// From a request whose client is known to the reply that opens the session.
extension Admittance {
    /// Who it is has been decided: subscribes to what the request names, and to what the token says.
    func open(_ slot: UInt32, _ head: RequestHead, reply: OpeningReply) {
        if isGone(slot) { return }
        let session = session(slot)
        let credentials = credentials(slot)
        let request: OpeningRequest?
        do throws(HTTPError) { request = try session.pointee.dialect.opening(head) } catch {
            return refuse(slot, error)
        }
        var names: [ChannelName] = []
        var granted: Set<ChannelName> = []
        if let request {
            names = request.channels
            for name in (credentials?.channels ?? []) + (credentials?.userChannel.map { [$0] } ?? []) {
                granted.insert(name)
                if !names.contains(name) { names.append(name) }
            }
            guard names.contains(where: { !$0.isReserved }) else {
                return refuse(
                    slot,
                    HTTPError(
                        status: 400, code: "channel_missing",
                        message: "no channel is named: use \(head.path)?channel=NAME, and repeat 'channel' for more"))
            }
        }
        session.pointee.phase = .opening
        if names.isEmpty { return finishOpening(slot, reply) }
        let begin = MonotonicTime.now()
        defer { if names.count > SessionIO.manyChannels { io.spent(since: begin) } }
        session.pointee.unconfirmed = UInt16(clamping: names.count)
        makeExtras(slot).opening = reply
        let known = request?.seen.map { channels.resumePoints(of: names, seen: $0) } ?? [:]
        for name in names {
            do {
                try channels.subscribe(slot, to: name, .init(isGranted: granted.contains(name), since: known[name]))
            } catch {
                extras(slot)?.opening = nil
                session.pointee.phase = .head
                channels.unsubscribeFromAll(slot)
                return refuse(slot, error.response(for: name))
            }
        }
        // If all were confirmed at once, it is open already.
        guard session.pointee.phase == .opening else { return }
        if channels.areReached(slot) {
            session.pointee.flags.insert(.parked)
            io.updateInterest(slot)
        } else {
            // While the node is isolated nobody can confirm anything, and clients are still welcome: readiness and
            // the admin page say that nothing arrives from elsewhere.
            openNow(slot)
        }
    }

    func openNow(_ slot: UInt32) {
        if channels.areReached(slot), channels.placeStream(slot) { return }
        guard let extras = extras(slot), let reply = extras.opening else { return }
        extras.opening = nil
        finishOpening(slot, reply)
    }

    /// - Parameter stream: Where the channels of an event stream begin, if that was asked for.
    func finishOpening(_ slot: UInt32, _ reply: OpeningReply, stream: Connecting? = nil) {
        let session = session(slot)
        if case .poll = reply, !polls.separate(slot) {
            session.pointee.phase = .head
            return refuse(slot, .full)
        }
        context.counters.opened += 1
        extras(slot)?.asked = nil
        session.pointee.phase = .open
        // One that may be about to go on with another session has that session's id, which stays where it is.
        if session.pointee.isKnownByID, session.pointee.linkage != .undecided {
            request(.opened(session.pointee.secret, locator(of: slot)))
        }
        if session.pointee.flags.contains(.counted) {
            context.admission.opened(session.pointee.peer.address)
            session.pointee.flags.insert(.settled)
        }
        session.pointee.openedAt = UInt32(
            clamping: (reactor.now.nanoseconds &- context.startedAt.nanoseconds) / 1_000_000_000)
        if events.wants(.sessionOpened), session.pointee.traits.login == .request { noteOpened(slot) }
        io.send(slot) { writer in
            reply.write(to: writer)
            channels.writeBeginning(slot, stream, to: writer)
        }
        for index in 0..<session.pointee.subscriptions.count {
            let subscription = session.pointee.subscriptions[index]
            if subscription.rosterIndex == Channels.notInRoster,
                let channel = channels.byIndex[Int(subscription.channel)]
            {
                if stream?.ready[channel.name] == nil, channels.needsBeginning(channel, slot) {
                    channels.askPlaceLate(slot, channel, isAsked: stream != nil)
                } else if channel.rule.isCache, !channel.name.isReserved, stream?.ready[channel.name] == nil {
                    channels.askBeginning(slot, channel, .none)
                } else {
                    channels.join(slot, channel)
                }
            }
        }
        switch session.pointee.traits.login {
        case .request:
            channels.joinEverybody(slot)
            life.beginLiveness(slot)
        // It is told nothing before it has said who it is, or that it is there.
        case .command, .firstMessage, .greeting: arm(.connect, slot)
        }
        if session.pointee.flags.contains(.parked) {
            session.pointee.flags.remove(.parked)
            io.updateInterest(slot)
        }
        // In its turn, as below.
        if io.hasMessages(slot) { io.enqueueInput(slot) }
        if let early = takeEarly(slot) {
            // In its turn: another session's input may be what led here.
            io.suspendInput(slot)
            early.withUnsafeBytes { io.hold(slot, frames: $0) }
            io.resumeInput(slot)
        }
        serverCommands.sessionSettled(slot, isOpen: true)
        tidyExtras(slot)
    }

    /// Everything is known, or what is kept for the session is as much as it may have.
    func openStream(_ slot: UInt32, _ waiting: Connecting) {
        guard let extras = extras(slot), let reply = extras.opening else { return }
        extras.opening = nil
        finishOpening(slot, reply, stream: waiting)
    }
}

/// The reply that opens a session.
enum OpeningReply {
    case webSocket(accept: String, protocol: String?, extensions: String?)
    case eventStream(CrossOrigin?)
    case stream(isText: Bool, CrossOrigin?)
    /// The connection is answered by itself: the session has none.
    case poll

    func write(to writer: ByteWriter) {
        switch self {
        case .webSocket(let accept, let subprotocol, let extensions):
            Handshake.writeResponse(accept: accept, protocol: subprotocol, extensions: extensions, to: writer)
        case .eventStream(let crossOrigin):
            EventStreamHead.write(headers: crossOrigin?.headers ?? [], to: writer)
        case .stream(let isText, let crossOrigin):
            StreamHead.write(isText: isText, headers: crossOrigin?.headers ?? [], to: writer)
        case .poll: break
        }
    }
}

extension HTTPError {
    fileprivate static var full: HTTPError {
        HTTPError(
            status: 503, code: "too_many_sessions",
            message: "the node has no room for another session (limits.sessions)",
            headers: [("Retry-After", "1")])
    }
}

extension Channels.SubscribeRefusal {
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
        case .unrecoverable:
            HTTPError(status: 400, code: "unrecoverable", message: "channel '\(name)' keeps no history")
        // Requests have no filters.
        case .filtersNotAllowed, .tooManyFilters:
            HTTPError(status: 400, code: "no_filters", message: "channel '\(name)' takes no filters")
        }
    }
}
