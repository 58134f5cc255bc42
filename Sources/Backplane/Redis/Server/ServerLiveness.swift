import Codec
import Reactor

/// Whether this node is linked through a server: not "are the connections open", but "does what we publish come back to us".
extension RedisServer {
    /// A connection that has said nothing for this long, although it was asked twice, is dead.
    static var silence: Duration { .seconds(5) }
    /// Fewer bytes than this in that time are not a large reply on its way.
    static var noticeableBytes: Int { 256 * 1024 }
    /// And none takes longer than this.
    static var longestReply: Duration { .seconds(60) }
    /// Connections that are open and on which no own beat comes back are given up after this long.
    static var deafness: Duration { .seconds(10) }

    /// Once a second.
    func tick(now: MonotonicTime) {
        if state.takesCommands { sendBeat() }
        if beats.sequence % 2 == 0 || !state.takesCommands { ping() }
        // Somebody may have demoted our master behind our back.
        if state.takesCommands { send(.role) { RESPWriter.command("ROLE", to: $0) } }
        forConnections { connection in
            guard connection.isOpen, connection.isSilent(now: now) else { return }
            connection.fail(
                "Redis at \(addressText) has not answered for \((now - connection.lastHeard).components.seconds) s")
        }
        if isDeaf(now) {
            forConnections {
                $0.fail("Redis at \(addressText) answers, but does not return the node's own beats: reconnecting")
            }
        }
        interest.retryRefused(now: now)
        if subscriber.isOpen { subscribeMore() }
        reviewJoining()
        for waiting in buffer.expired(now: now) { owner.refuse(waiting.ticket, .isolated) }
        owner.waitingChanged()
    }

    private func forConnections(_ body: (RedisConnection) -> Void) {
        body(commands)
        body(subscriber)
    }

    func sendBeat() {
        guard state.takesCommands, let receiver else { return }
        let summary = receiver.summary()
        let beat = Beat(
            node: owner.node, sequence: beats.send(now: .now()), name: owner.name, summary: summary,
            layout: owner.layout.announced)
        envelope.removeAll()
        NodeMessage.beat(beat).write(to: envelope)
        send(.beat) {
            RESPWriter.publish(
                prefix: [], channel: beatChannel, payload: envelope.bytes, isSharded: isSharded, to: $0)
        }
        guard hasLease, state.takesCommands else { return }
        send(.lease) {
            RESPWriter.command(
                [
                    Array("SET".utf8), names.lease(of: owner.node), summary, Array("PX".utf8),
                    Array("\(NodeRegistry.lease.components.seconds * 1000)".utf8),
                ], to: $0)
        }
    }

    /// An own beat came back.
    func heard(_ beat: Beat) {
        let now = MonotonicTime.now()
        guard let roundTrip = beats.returned(beat.sequence, now: now) else { return }
        link.roundTrip = roundTrip
        owner.status.roundTrip = roundTrip
        owner.status.lastBeat = now
        review()
        owner.mover?.review()
    }

    /// Both connections answer, and yet nothing we publish comes back: whatever the reason, they cannot be used.
    private func isDeaf(_ now: MonotonicTime) -> Bool {
        guard !state.isLinked, commands.isOpen, subscriber.isOpen, state.takesCommands, state.subscriptions != .away
        else { return false }
        let since = max(
            commands.connectedAt, subscriber.connectedAt, beats.heardAt ?? MonotonicTime(nanoseconds: 0))
        return now - since > Self.deafness
    }

    private func ping() {
        output.removeAll()
        RESPWriter.command("PING", to: output)
        if subscriber.isOpen {
            subscriberReplies.append(.ping)
            subscriber.write(output.bytes)
        }
        if commands.isOpen, state.takesCommands {
            replies.append(.pong)
            commands.write(output.bytes)
        }
    }

    /// Compares what is with what was said, and says what has changed.
    func review() {
        switch state.reviewed(isHeard: beats.isHeard(now: .now())) {
        case .up: owner.linked(self)
        case .down: owner.isolate(self, "Redis at \(addressText) no longer returns the node's own beats")
        case nil: break
        }
    }

    func disconnected(_ connection: RedisConnection, _ reason: String) {
        guard state.isRunning else {
            // It left the cluster, and what it was asked before that is not answered any more.
            if connection === commands { commandsLost() }
            return
        }
        owner.status.reconnects &+= 1
        if connection === commands { commandsLost() } else { subscriberLost() }
        owner.isolate(self, reason)
    }
}
