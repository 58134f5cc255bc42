import Codec
import Reactor

/// Whether the node is linked to the others: it is when each server returns what it publishes there.
extension RedisBackplane {
    static var beatInterval: Duration { .seconds(1) }

    var isRunning: Bool { topology.servers.contains(where: \.state.isRunning) }

    /// Once a second.
    func tick() {
        guard isRunning, let receiver else { return }
        home.schedule(after: Self.beatInterval) { [self] in self.tick() }
        let now = MonotonicTime.now()
        // Whoever asks this node what is wrong is told the present state, also when no beat can be sent.
        registry.update(summary: receiver.summary(), now: home.now)
        for server in topology.servers { server.tick(now: now) }
        if status.phase == .linked {
            for record in registry.expire(now: now) {
                receiver.happened(
                    .warning,
                    "node \(record.name) is gone: no sign of life for \(NodeRegistry.lease.components.seconds) s")
                receiver.nodeLeft(record.id)
            }
        }
        // After that, for the first of those who are left looks for what the others left behind.
        for server in topology.servers { server.scriptTick() }
        presenceTick()
        occupancyTick()
        for server in topology.servers { server.review() }
    }

    /// A beat came over one of the servers.
    func heard(_ beat: Beat, by server: RedisServer) {
        if beat.node == node {
            return server.heard(beat)
        }
        if registry.heard(beat, now: home.now) {
            receiver?.happened(.info, "node \(beat.name) has joined")
        }
        if layout.heard(beat.layout) { differs(beat, at: server) }
    }

    /// Another node uses other names, so neither hears what the other publishes. What is stored decides.
    private func differs(_ beat: Beat, at server: RedisServer) {
        if beat.layout != 0 {
            if server.state.takesCommands { server.askForLayout() }
        } else if server.said.isDue(.otherLayout, now: home.now) {
            receiver?.happened(
                .error,
                "node \(beat.name) has a version that does not know the layout of this cluster's keys, and hears nothing that this node publishes: stop it, or upgrade it"
            )
        }
    }

    /// A server returns what this node publishes.
    func linked(_ server: RedisServer) {
        let isWhole = topology.servers.allSatisfy(\.state.isLinked)
        if isWhole { goUp(server) }
        server.reviewAcknowledged()
        server.publishWaiting()
        if isWhole {
            tellPresenceAnew()
            tellOccupancyAnew()
        }
    }

    private func goUp(_ server: RedisServer) {
        let wasIsolated = status.phase == .isolated
        let down = wallClock() &- status.since
        status.phase = .linked
        status.server = topology.servers.map(\.addressText).joined(separator: ", ")
        status.since = wallClock()
        status.reason = nil
        lastFailure = nil
        registry.excuse(now: .now())
        receiver?.happened(
            .info,
            wasIsolated
                ? "linked again after \(Double(down / 100) / 10) s: \(things(server.resubscribing, "channel")) subscribed again, \(things(status.waiting, "publication")) sent that had waited"
                : "linked to Redis at \(server.addressText)")
        server.resubscribing = 0
        receiver?.linkChanged(link)
    }

    func isolate(_ reason: String) {
        if status.phase == .linked {
            status.phase = .isolated
            status.since = wallClock()
            status.reason = reason
            receiver?.happened(.error, "isolated: \(reason)")
            receiver?.linkChanged(link)
        } else {
            failed(reason)
        }
    }

    /// Something keeps the link from coming up: remembered, and logged now and then.
    func failed(_ reason: String) {
        status.reason = reason
        let now = MonotonicTime.now()
        if let lastFailure, lastFailure.text == reason, now - lastFailure.at < LogThrottle.interval { return }
        lastFailure = (reason, now)
        receiver?.happened(.warning, "not linked: \(reason)")
        receiver?.linkChanged(link)
    }
}
