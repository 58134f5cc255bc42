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
        if status.isUp {
            for record in registry.expire(now: now) {
                receiver.happened(
                    .warning,
                    "node \(record.name) is gone: no sign of life for \(NodeRegistry.lease.components.seconds) s")
                receiver.nodeLeft(record.id)
            }
        }
        topology.tick()
        mover?.tick()
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

    // MARK: Up and down

    /// A server returns what this node publishes.
    func linked(_ server: RedisServer) {
        goUp(server)
        server.reviewAcknowledged()
        server.publishWaiting()
        reviewHolds()
        tellPresenceAnew()
        tellOccupancyAnew()
    }

    private func goUp(_ server: RedisServer) {
        let wasUp = status.isUp
        let isBack = server.link.isKnown
        let down = wallClock() &- server.link.since
        server.link.isUp = true
        server.link.isKnown = true
        server.link.since = wallClock()
        server.link.reason = nil
        server.link.lastFailure = nil
        reviewPhase()
        status.server = topology.servers.filter(\.link.isUp).map(\.addressText).joined(separator: ", ")
        if !wasUp { registry.excuse(now: .now()) }
        let place = topology.isDivided ? " to Redis at \(server.addressText)" : ""
        receiver?.happened(
            .info,
            isBack
                ? "linked again\(place) after \(Double(down / 100) / 10) s: \(things(server.resubscribing, "channel")) subscribed again, \(things(server.buffer.count, "publication")) sent that had waited\(share)"
                : "linked to Redis at \(server.addressText)\(share)")
        server.resubscribing = 0
        receiver?.linkChanged(link)
    }

    func isolate(_ server: RedisServer, _ reason: String) {
        guard server.link.isUp else { return failed(reason, at: server) }
        server.link.isUp = false
        server.link.since = wallClock()
        server.link.reason = reason
        reviewPhase()
        receiver?.happened(
            .error,
            topology.isDivided
                ? "cut off from Redis at \(server.addressText), and so from the channels that live there: \(reason)\(share)"
                : "isolated: \(reason)")
        receiver?.linkChanged(link)
    }

    /// The same servers may have other partitions than before.
    func reviewLink() {
        let before = status
        reviewPhase()
        if status.linked != before.linked || status.phase != before.phase { receiver?.linkChanged(link) }
    }

    /// What the links of the servers are together.
    private func reviewPhase() {
        // Servers that have no channels yet, or any more, take nothing with them.
        let needed = topology.servers.filter { !$0.partitions.isEmpty }
        let up = needed.filter(\.link.isUp)
        var linked = up.reduce(into: PartitionSet.none) { $0.formUnion($1.linkedPartitions) }
        linked.subtract(topology.uncovered)
        let phase: LinkState.Phase =
            switch up.count {
            case 0: status.phase == .starting ? .starting : .isolated
            case needed.count where linked.isAll: .linked
            default: .degraded
            }
        if phase != status.phase { status.since = wallClock() }
        status.phase = phase
        status.isReady = isReady(phase)
        status.linked = linked
        status.reason = needed.lazy.filter { !$0.link.isUp }.compactMap(\.link.reason).first
        if status.reason == nil, !topology.uncovered.isEmpty {
            status.reason =
                "\(things(topology.uncovered.count, "partition")) of channels have no master in the Redis Cluster"
        }
    }

    /// How many servers work, where there are several.
    private var share: String {
        guard topology.isDivided else { return "" }
        let all = topology.servers
        return " (\(all.count { $0.link.isUp }) of \(things(all.count, "server")) linked)"
    }

    /// Something keeps the link to a server from coming up: remembered, and logged now and then.
    func failed(_ reason: String, at server: RedisServer) {
        server.link.reason = reason
        if !server.link.isUp { reviewPhase() }
        let now = MonotonicTime.now()
        if let last = server.link.lastFailure, last.text == reason, now - last.at < LogThrottle.interval { return }
        server.link.lastFailure = (reason, now)
        receiver?.happened(.warning, "not linked: \(reason)\(share)")
        receiver?.linkChanged(link)
    }
}

extension RedisServer {
    /// For people.
    var linkState: ServerLink {
        ServerLink(
            name: configuration.label ?? addressText, isUp: link.isUp, since: link.since, reason: link.reason,
            roundTrip: link.roundTrip, partitions: partitions.count)
    }
}
