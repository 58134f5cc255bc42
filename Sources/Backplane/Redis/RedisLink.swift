import Codec
import Reactor

/// Whether the node is linked: not "are the connections open", but "does what we publish come back to us".
extension RedisBackplane {
    static var beatInterval: Duration { .seconds(1) }
    /// Without an own beat for this long the node counts as isolated.
    static var beatPatience: Duration { .seconds(3) }
    /// A connection that has said nothing for this long, although it was asked twice, is dead.
    static var silence: Duration { .seconds(5) }
    /// Fewer bytes than this in that time are not a large reply on its way.
    static var noticeableBytes: Int { 256 * 1024 }
    /// And none takes longer than this.
    static var longestReply: Duration { .seconds(60) }
    /// Connections that are open and on which no own beat comes back are given up after this long.
    static var deafness: Duration { .seconds(10) }
    /// How often the same failure is logged.
    static var logInterval: Duration { .seconds(60) }

    /// Once a second.
    func tick() {
        guard isRunning else { return }
        home.schedule(after: Self.beatInterval) { [weak self] in self?.tick() }
        let now = MonotonicTime.now()
        // Whoever asks this node what is wrong is told the present state, also when no beat can be sent.
        if let receiver { registry.update(summary: receiver.summary(), now: home.now) }
        if isCommandReady { sendBeat() }
        if beatSequence % 2 == 0 || !isCommandReady { ping() }
        // Somebody may have demoted our master behind our back.
        if isCommandReady { send(.role) { RESPWriter.command("ROLE", to: $0) } }
        for connection in [commands!, subscriber!] where connection.isOpen && connection.isSilent(now: now) {
            connection.fail(
                "Redis at \(server) has not answered for \((now - connection.lastHeard).components.seconds) s")
        }
        if isDeaf(now) {
            for connection in [commands!, subscriber!] {
                connection.fail(
                    "Redis at \(server) answers, but own beats do not come back: connecting anew")
            }
        }
        for waiting in buffer.expired(now: now) { refuse(waiting.ticket, .isolated) }
        link.waiting = buffer.count
        if link.phase == .linked {
            for record in registry.expire(now: now) {
                receiver?.happened(
                    .warning,
                    "node \(record.name) is gone: no sign of life for \(NodeRegistry.lease.components.seconds) s")
                receiver?.nodeLeft(record.id)
            }
        }
        // After that, for the first of those who are left looks for what the others left behind.
        presenceTick()
        review()
    }

    /// Both connections answer, and yet nothing we publish comes back: whatever the reason, they cannot be used.
    private func isDeaf(_ now: MonotonicTime) -> Bool {
        guard link.phase != .linked, commands.isOpen, subscriber.isOpen, isCommandReady, isSubscriberReady else {
            return false
        }
        let since = max(
            commands.connectedAt, subscriber.connectedAt, link.lastBeat ?? MonotonicTime(nanoseconds: 0))
        return now - since > Self.deafness
    }

    private func ping() {
        output.removeAll()
        RESPWriter.command("PING", to: output)
        if subscriber.isOpen { subscriber.write(output.bytes) }
        if commands.isOpen, isCommandReady {
            replies.append(.pong)
            commands.write(output.bytes)
        }
    }

    func heard(_ beat: Beat) {
        if beat.node == node {
            let now = MonotonicTime.now()
            if let sent = beatsSent.removeValue(forKey: beat.sequence) {
                link.roundTrip = (now.nanoseconds &- sent.nanoseconds) / 1000
                link.lastBeat = now
                hasHeardItself = true
                review()
            }
        } else if registry.heard(beat, now: home.now) {
            receiver?.happened(.info, "node \(beat.name) has joined")
        }
    }

    /// Compares what is with what was said, and says what has changed.
    func review() {
        guard isRunning else { return }
        let isFresh = link.lastBeat.map { MonotonicTime.now() - $0 <= Self.beatPatience } ?? false
        let isUp = isCommandReady && isSubscriberReady && isCaughtUp && hasHeardItself && isFresh
        if isUp, link.phase != .linked {
            goUp()
        } else if !isUp, link.phase == .linked {
            isolate(
                "own beats do not come back from Redis at \(server) any more")
        }
    }

    private func goUp() {
        let wasIsolated = link.phase == .isolated
        let down = wallClock() &- link.since
        link.phase = .linked
        link.server = server
        link.since = wallClock()
        link.reason = nil
        lastFailure = nil
        registry.excuse(now: .now())
        isHolding = false
        receiver?.happened(
            .info,
            wasIsolated
                ? "linked again after \(Double(down / 100) / 10) s: \(resubscribing) channels subscribed again, \(buffer.count) publications sent that had waited"
                : "linked to Redis at \(server)")
        resubscribing = 0
        receiver?.linkChanged(link)
        reviewAcknowledged()
        publishWaiting()
        tellPresenceAnew()
    }

    func isolate(_ reason: String) {
        if link.phase == .linked {
            link.phase = .isolated
            link.since = wallClock()
            link.reason = reason
            receiver?.happened(.error, "isolated: \(reason)")
            receiver?.linkChanged(link)
        } else {
            failed(reason)
        }
    }

    /// Something keeps the link from coming up: remembered, and logged now and then.
    func failed(_ reason: String) {
        link.reason = reason
        let now = MonotonicTime.now()
        if let lastFailure, lastFailure.text == reason, now - lastFailure.at < Self.logInterval { return }
        lastFailure = (reason, now)
        receiver?.happened(.warning, "not linked: \(reason)")
        receiver?.linkChanged(link)
    }

    func disconnected(_ connection: RedisConnection, _ reason: String) {
        guard isRunning else { return }
        link.reconnects &+= 1
        if connection === commands {
            isCommandReady = false
            beatsSent = [:]
            var again: [PublishBuffer.Waiting] = []
            for expected in replies.takeAll() {
                // Nobody knows whether these were carried out, and publishing again could double them; but not those that
                // have a key to know them by.
                switch expected {
                case .publish(let ticket): refuse(ticket, .unknown)
                case .keep(let waiting):
                    if waiting.publication.extras?.idempotencyKey != nil {
                        again.append(waiting)
                    } else {
                        refuse(waiting.ticket, .unknown)
                    }
                case .read(_, let completion): completion(.failure(.isolated))
                case .disown(let completion): completion(.failure(.isolated))
                case .presence(let reply): unanswered(reply)
                default: break
                }
            }
            for waiting in buffer.putBack(again, now: home.now) { refuse(waiting.ticket, .unknown) }
            link.waiting = buffer.count
        } else {
            isSubscriberReady = false
            isCaughtUp = false
            hasHeardItself = false
            interest.disconnected()
        }
        isolate(reason)
    }
}
