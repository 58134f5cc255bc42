import Backplane
import Codec
import Foundation
import Reactor
import ServiceLifecycle
import Synchronization

/// Looks at the node once a second and prepares what its beats say.
package struct NodeMonitor: Service {
    private let node: RunningNode
    private let admin: String

    private static let interval: Duration = .seconds(1)

    package init(node: RunningNode, admin: String) {
        self.node = node
        self.admin = admin
    }

    /// What the last look saw.
    private struct Sample {
        var at: MonotonicTime
        var cpu: UInt64
        var messagesIn: UInt64 = 0
        var publications: UInt64 = 0
        var deliveries: UInt64 = 0
        var bytesOut: UInt64 = 0
        /// Sessions and channels.
        var used = 0
    }

    package func run() async throws {
        var last = Sample(at: .now(), cpu: ProcessUsage.cpuNanoseconds)
        var duplicateNames = DuplicateNames()
        var freed = FreedMemory()
        // Looks are a second apart, however long one takes.
        var due = MonotonicTime.now()
        while !Task.isCancelled, !Task.isShuttingDownGracefully {
            last = await look(last)
            await lookForDuplicateNames(&duplicateNames)
            if freed.look(last.used) == .giveBack { FreedMemory.giveBack() }
            let now = MonotonicTime.now()
            due = max(due + Self.interval, now)
            let wait = due - now
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: wait) }
        }
    }

    /// Two nodes of one name cannot be told apart in tables, logs and commands.
    private func lookForDuplicateNames(_ duplicateNames: inout DuplicateNames) async {
        let node = node
        let records = await node.home.perform { node.backplane.nodes }
        let found = duplicateNames.saw(records, own: node.id, name: node.name, now: .now())
        guard !found.isEmpty else { return }
        let ids = found.map(\.description).joined(separator: ", ")
        await node.home.perform {
            node.inbox.happened(
                .warning,
                "another node has the name \(node.name) too (id \(ids)): give each a name of its own (node.name)")
        }
    }

    private func look(_ last: Sample) async -> Sample {
        var sample = Sample(at: .now(), cpu: ProcessUsage.cpuNanoseconds)
        var sessions = 0
        var backlog = 0
        var total = ShardCounters()
        var dropped: UInt64 = 0
        var paths: [SendPath] = []
        for shard in node.shards {
            let (snapshot, events) = await shard.reactor.perform { (shard.snapshot, shard.context.events.counters) }
            total.add(snapshot.counters)
            dropped &+= events.dropped
            paths.append(snapshot.sendPath)
            sessions += snapshot.sessions
            backlog += snapshot.outboundBytes
            sample.messagesIn += snapshot.counters.messagesIn
            sample.publications += snapshot.counters.publications
            sample.deliveries += snapshot.counters.deliveries
            sample.bytesOut += snapshot.counters.bytesOut
        }
        await node.lookAtLimits(total, collected: dropped)
        let seconds = max(0.001, Double((sample.at - last.at).wholeNanoseconds) / 1e9)
        func rate(_ key: KeyPath<Sample, UInt64>) -> Rate {
            Rate((Double(sample[keyPath: key] &- last[keyPath: key]) / seconds * 10).rounded() / 10)
        }
        let node = node
        let (link, channels, history) = await node.home.perform {
            (node.backplane.link, node.exchange.channelCount, node.exchange.historyCounters)
        }
        // The link gives channels up later than their subscribers do.
        sample.used = sessions + max(channels, link.channels) + link.historyChannels
        let summary = NodeSummary(
            id: PlainText(node.id.description), name: PlainText(node.name), version: PlainText(Version.number),
            startedAt: Count(node.startedAt),
            client: PlainText(node.clientAddresses.map(\.description).joined(separator: ", ")),
            admin: PlainText(admin),
            sessions: Count(sessions), channels: Count(channels - 1),
            rates: .init(
                messagesIn: rate(\.messagesIn), publications: rate(\.publications), deliveries: rate(\.deliveries),
                bytesOut: rate(\.bytesOut)),
            cpuPercent: Rate((Double(sample.cpu &- last.cpu) / 1e9 / seconds * 1000).rounded() / 10),
            memoryBytes: Count(ProcessUsage.residentBytes), backlogBytes: Count(backlog),
            link: .init(link, kind: node.backplane.kind, history),
            draining: node.draining.phase.ifNotServing.map { PlainText($0) },
            configuration: PlainText(node.live.digest), sends: PlainText(SendPath.text(of: paths)))
        node.samples.withLock { samples in
            samples.append(
                NodeSample(
                    sessions: summary.sessions, publicationsPerS: summary.rates.publications,
                    deliveriesPerS: summary.rates.deliveries, backlogBytes: summary.backlogBytes,
                    roundTripUs: summary.link.roundTripUs),
                now: sample.at, wallClock: WallClock.milliseconds)
        }
        if let body = try? JSON.encoder.encode(summary) {
            let bytes = Array(body)
            await node.home.perform { node.inbox.preparedSummary = bytes }
        }
        return sample
    }
}

extension Draining.Phase {
    fileprivate var ifNotServing: String? { self == .serving ? nil : rawValue }
}

extension NodeSummary.Link {
    init(_ state: LinkState, kind: String, _ history: HistoryCounters) {
        self.init(
            kind: PlainText(kind), phase: PlainText(state.phase.rawValue), since: Count(state.since),
            reason: state.reason.map { PlainText($0) },
            beatAgeMs: state.lastBeat.map { Count((MonotonicTime.now() - $0).wholeNanoseconds / 1_000_000) },
            roundTripUs: state.roundTrip.map { Count($0) }, reconnects: Count(state.reconnects),
            resubscribed: Count(state.resubscribed), waitingPublishes: Count(state.waiting),
            badMessages: Count(state.badMessages), server: state.server.map { PlainText($0) },
            // A server that is no master is left at once, so a linked node talks to one.
            role: state.server != nil && state.isUp ? "master" : nil, healed: Count(history.healed),
            lost: Count(history.lost), servers: state.servers.count > 1 ? Count(UInt64(state.servers.count)) : nil,
            away: state.servers.count > 1 ? Self.away(state.servers) : nil,
            change: state.change.map { PlainText(String($0.prefix(Self.longestChange))) })
    }

    private static func away(_ servers: [ServerLink]) -> [NodeSummary.AwayServer]? {
        let away = servers.filter { !$0.isUp }.prefix(mostAway).map { server in
            NodeSummary.AwayServer(
                name: PlainText(server.name), since: Count(server.since),
                reason: server.reason.map { PlainText(String($0.prefix(longestReason))) },
                partitions: Count(UInt64(server.partitions)))
        }
        return away.isEmpty ? nil : away
    }
}
