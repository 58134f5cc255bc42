import Backplane
package import Codec
import Reactor

/// What operators ask about nodes and single connections, on all nodes.
extension ClusterInspector {
    /// The last ten minutes of each node.
    ///
    /// - Parameter samples: How many seconds of them.
    package func series(samples: Int) async -> SeriesReport {
        let limit = max(1, min(samples, SampleRing.capacity))
        let records = await nodeRecords
        let (_, answers) = await ask(.series(samples: limit))
        let nodes = records.map { record in
            var series = NodeSeries()
            series.answered = false
            for entry in answers where entry.node == record.id {
                if case .series(let known) = entry.answer { series = known.bounded(to: limit) }
            }
            series.id = record.id.description
            series.name = record.name
            return series
        }
        return SeriesReport(nodes: nodes, stepMs: Count(SampleRing.step.wholeNanoseconds / 1_000_000))
    }

    /// What happened lately, newest first.
    package func recent(everywhere limit: Int) async -> RecentReport {
        let names = await nodeNames
        let (count, answers) = await ask(.recent(limit: limit))
        let lists = answers.compactMap { entry -> (name: String, events: [LinkEventEntry])? in
            guard case .recent(let events) = entry.answer else { return nil }
            return (names[entry.node] ?? entry.node.description, events)
        }
        return RecentReport(nodes: count, events: RecentMerging.merge(lists, limit: limit))
    }

    /// Everything known of one connection, on whatever node it is.
    ///
    /// - Parameter after: The channel behind which its subscriptions are listed.
    /// - Returns: Nil for one that is not there, and whether its node answered.
    package func connection(
        _ id: SessionID, after: String?, limit: Int
    ) async -> (detail: ConnectionDetail?, nodeName: String?, nodes: NodeCount) {
        let found = await connectionThere(id, after: after, limit: limit)
        guard found.detail == nil, let moved = await moved(id) else { return found }
        return await connectionThere(moved, after: after, limit: limit)
    }

    private func connectionThere(
        _ id: SessionID, after: String?, limit: Int
    ) async -> (detail: ConnectionDetail?, nodeName: String?, nodes: NodeCount) {
        let name = await nodeNames[id.node]
        let (count, answers) = await ask(
            .connection(id: id.description, after: after, limit: limit), to: id.node)
        for entry in answers {
            if case .connection(let detail?) = entry.answer { return (detail, name, count) }
        }
        return (nil, name, count)
    }

    private var nodeRecords: [NodeRecord] {
        get async {
            let node = node
            return await node.home.perform { node.backplane.nodes }
        }
    }

    /// What the nodes are called.
    var nodeNames: [NodeID: String] {
        get async { Dictionary(await nodeRecords.map { ($0.id, $0.name) }) { first, _ in first } }
    }

    // MARK: This node's answers

    func recent(_ limit: Int) async -> ClusterAnswer {
        let node = node
        let events = await node.home.perform { node.inbox.history.events }
        return .recent(
            events.suffix(max(0, limit)).map {
                LinkEventEntry(time: Count($0.time), level: $0.level.rawValue, message: $0.message)
            })
    }

    func detail(_ text: String, after: String?, limit: Int) async -> ClusterAnswer {
        let after = after.map { Array($0.utf8) }
        let limit = max(0, min(limit, Self.maximumPage))
        guard let id = SessionID(text), id.node == node.id,
            let shard = node.shards.first(where: { $0.index == Locator(id.locator).reactor })
        else { return .connection(nil) }
        return .connection(await shard.reactor.perform { shard.detail(of: id, after: after, limit: limit) })
    }
}
