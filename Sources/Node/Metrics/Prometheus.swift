import Synchronization
import Backplane
import Reactor

/// The node's numbers in the Prometheus text format, read at one moment from all that have some.
struct Prometheus {
    private let node: RunningNode

    /// - Returns: The page of `GET /metrics`. docs/operations.md has a row for each metric, in this order.
    static func text(of node: RunningNode) async -> String {
        let prometheus = Prometheus(node: node)
        let reactors = await prometheus.reactors()
        let home = await prometheus.home()
        let pauses = await node.listeners.statistics().reduce(0) { $0 + $1.pauses }
        var page = MetricsPage()
        page.writeNode(node)
        page.write(reactors, channels: home.channels, nodes: home.nodes)
        page.counter(
            "listener_pauses_total",
            "Times a client listener stopped accepting connections because limits.sessions or the open file limit was reached.",
            Double(pauses))
        page.write(node.adminConnections)
        page.write(node.live)
        page.write(node.upstream.withLock { $0?.counters } ?? Upstream.Counters())
        page.write(node.events, reactors.events)
        page.write(node.webhooks.books)
        page.write(node.streamCounters, traces: node.traces.count)
        page.write(node.revocations)
        page.writeLog()
        page.write(questions: home.questions, forwards: home.forwards, polls: home.polls)
        page.write(home.link)
        page.write(home.history)
        page.write(home.reads)
        return page.text
    }

    private func reactors() async -> ReactorFigures {
        var figures = ReactorFigures()
        for shard in node.shards {
            let (snapshot, events) = await shard.reactor.perform { (shard.snapshot, shard.context.events.counters) }
            figures.add(snapshot, events)
        }
        return figures
    }

    /// What only the home reactor may read.
    private struct HomeFigures: Sendable {
        var link: LinkState
        /// Of applications: the node's own channel is not counted.
        var channels: Int
        var nodes: Int
        var history: HistoryCounters
        var questions: (refused: UInt64, ignored: UInt64)
        var reads: HistoryReads.Counters
        var forwards: (begun: UInt64, refused: UInt64, unanswered: UInt64)
        var polls: (begun: UInt64, refused: UInt64)
    }

    private func home() async -> HomeFigures {
        let node = node
        return await node.home.perform {
            let questions = node.inbox.counters
            return HomeFigures(
                link: node.backplane.link, channels: node.exchange.channelCount - 1,
                nodes: node.backplane.nodes.count, history: node.exchange.historyCounters,
                questions: (questions.refusedQuestions, questions.ignoredAnswers),
                reads: node.exchange.historyReads.counters, forwards: node.inbox.forwardCounters,
                polls: node.inbox.pollCounters)
        }
    }
}

/// What the reactors of a node count, added up.
struct ReactorFigures {
    private(set) var counters = ShardCounters()
    /// Of each reactor, by its index.
    private(set) var sessions: [Int] = []
    /// Reactors that send in batches.
    private(set) var batching = 0
    /// Nanoseconds at work, of each reactor.
    private(set) var busy: [UInt64] = []
    private(set) var outboundBytes = 0
    private(set) var kernelBytes = 0
    private(set) var deltaBytes = 0
    private(set) var filterBytes = 0
    private(set) var cutSessions = 0
    private(set) var resumeBytes = 0
    private(set) var awaitedPolls = 0
    /// Clients refused or sent away, by reason.
    private(set) var refusals: [String: UInt64] = [:]
    private(set) var events = EventCollector.Counters()

    mutating func add(_ snapshot: Shard.Snapshot, _ collected: EventCollector.Counters) {
        counters.add(snapshot.counters)
        sessions.append(snapshot.sessions)
        busy.append(snapshot.reactor.busy)
        if snapshot.sendPath == .batches { batching += 1 }
        outboundBytes += snapshot.outboundBytes
        kernelBytes += snapshot.kernelBytes
        deltaBytes += snapshot.deltaBytes
        filterBytes += snapshot.filterBytes
        cutSessions += snapshot.cutSessions
        resumeBytes += snapshot.resumeBytes
        awaitedPolls += snapshot.awaitedPolls
        refusals.merge(snapshot.refusals) { $0 &+ $1 }
        events.collected &+= collected.collected
        events.dropped &+= collected.dropped
    }
}
