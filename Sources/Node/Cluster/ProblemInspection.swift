import Backplane
import Codec
import Reactor
import Synchronization

/// What is wrong, on all nodes.
extension ClusterInspector {
    /// Connections that are named as slow.
    private static let slowConnections = 20

    package func problems() async -> ProblemReport {
        let names = await nodeNames
        let cluster = await cluster()
        let (count, answers) = await ask(.limits)
        var limits: [LimitHits] = []
        for entry in answers {
            guard case .limits(let hits) = entry.answer else { continue }
            for var limit in hits.prefix(CountedLimit.all.count) {
                limit.node = PlainText(names[entry.node] ?? entry.node.description)
                limits.append(limit)
            }
        }
        limits.sort { left, right in
            if left.hitsLastMinute != right.hitsLastMinute { return left.hitsLastMinute > right.hitsLastMinute }
            return left.name.text.utf8.lexicographicallyPrecedes(right.name.text.utf8)
        }
        let least = Count(node.configuration.slowBacklogBytes)
        let slow = await connections(
            ConnectionQuery(
                minimumBacklog: least, sort: .backlog, limit: Self.slowConnections)
        ).connections.filter { $0.backlogBytes >= least }
        let problems = Diagnosis.problems(cluster.cluster, answered: count, limits: limits, slow: slow.count)
        return ProblemReport(
            nodes: count, ok: problems.allSatisfy { $0.severity == .info },
            sentence: Diagnosis.sentence(problems, nodes: cluster.cluster.count), problems: problems, limits: limits,
            slow: slow)
    }

    // MARK: This node's answer

    func limits() -> ClusterAnswer {
        let hits = node.limits.withLock { $0.hits }
        return .limits(
            zip(CountedLimit.all, hits).compactMap { limit, hits in
                guard hits > 0 else { return nil }
                return LimitHits(
                    name: PlainText(limit.name), hitsLastMinute: Count(hits), key: PlainText(limit.key),
                    metric: PlainText(limit.metric))
            })
    }
}

extension Configuration {
    /// Bytes that wait for a session that does not keep up: a sixteenth of what may wait.
    fileprivate var slowBacklogBytes: Int { max(1, outboundBytes / 16) }
}

extension RunningNode {
    /// Looks at the limits once a second, and remembers those that begin to bite.
    func lookAtLimits(_ shards: ShardCounters, collected: UInt64) async {
        let node = self
        var counts = LimitCounts()
        (counts.forwards, counts.historyReads, counts.presenceLeaving) = await home.perform {
            (
                node.inbox.forwardCounters.refused, UInt64(clamping: node.exchange.historyReads.counters.refused),
                UInt64(clamping: node.backplane.link.presenceCutShort)
            )
        }
        counts.shards = shards
        counts.revocations = revocations.refused
        counts.events = collected &+ events.missed.load(ordering: .relaxed)
        counts.eventStreams = events.streamsRefused.load(ordering: .relaxed)
        counts.traces = streamCounters.tracesRefused.load(ordering: .relaxed)
        counts.adminConnections = adminConnections.limitHits.load(ordering: .relaxed)
        let values = CountedLimit.all.map { $0.count(counts) }
        for (limit, hits) in limits.withLock({ $0.look(values) }) {
            let known = CountedLimit.all[limit]
            await note(
                .warning, "the limit \(known.key) begins to bite: \(things(hits, "time")) in a second (\(known.metric))"
            )
        }
    }
}
