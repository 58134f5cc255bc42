import Codec
import Backplane
import Foundation
import Reactor
import ServiceLifecycle

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
    }

    package func run() async throws {
        var last = Sample(at: .now(), cpu: ProcessUsage.cpuNanoseconds)
        while !Task.isCancelled, !Task.isShuttingDownGracefully {
            last = await look(last)
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.interval) }
        }
    }

    private func look(_ last: Sample) async -> Sample {
        var sample = Sample(at: .now(), cpu: ProcessUsage.cpuNanoseconds)
        var sessions = 0
        var backlog = 0
        for shard in node.shards {
            let snapshot = await shard.reactor.perform { shard.snapshot }
            sessions += snapshot.sessions
            backlog += snapshot.outboundBytes
            sample.messagesIn += snapshot.counters.messagesIn
            sample.publications += snapshot.counters.publications
            sample.deliveries += snapshot.counters.deliveries
            sample.bytesOut += snapshot.counters.bytesOut
        }
        let seconds = max(0.001, Double((sample.at - last.at).wholeNanoseconds) / 1e9)
        func rate(_ key: KeyPath<Sample, UInt64>) -> Double {
            (Double(sample[keyPath: key] &- last[keyPath: key]) / seconds * 10).rounded() / 10
        }
        let node = node
        let (link, channels) = await node.home.perform { (node.backplane.link, node.exchange.channelCount) }
        let summary = NodeSummary(
            id: node.id.description, name: node.name, version: RunningNode.version, startedAt: node.startedAt,
            client: "\(node.clientAddress)", admin: admin, sessions: sessions, channels: channels - 1,
            rates: .init(
                messagesIn: rate(\.messagesIn), publications: rate(\.publications), deliveries: rate(\.deliveries),
                bytesOut: rate(\.bytesOut)),
            cpuPercent: (Double(sample.cpu &- last.cpu) / 1e9 / seconds * 1000).rounded() / 10,
            memoryBytes: ProcessUsage.residentBytes, backlogBytes: backlog,
            link: .init(link, kind: node.backplane.kind), draining: node.draining.phase.ifNotServing)
        if let body = try? JSON.encoder.encode(summary) {
            let bytes = Array(body)
            await node.home.perform { node.desk.preparedSummary = bytes }
        }
        return sample
    }
}

extension Draining.Phase {
    fileprivate var ifNotServing: String? { self == .serving ? nil : rawValue }
}

extension NodeSummary.Link {
    init(_ state: LinkState, kind: String) {
        self.init(
            kind: kind, phase: state.phase.rawValue, since: state.since, reason: state.reason,
            beatAgeMs: state.lastBeat.map { (MonotonicTime.now() - $0).wholeNanoseconds / 1_000_000 },
            roundTripUs: state.roundTrip, reconnects: state.reconnects, resubscribed: state.resubscribed,
            waitingPublishes: state.waiting, badMessages: state.badMessages, server: state.server)
    }
}
