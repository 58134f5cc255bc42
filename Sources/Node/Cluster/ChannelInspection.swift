import Codec
import Reactor

/// What operators ask about channels, on all nodes.
extension ClusterInspector {
    /// How often it is asked again for rates that are not known yet, and when.
    private static let looks = 3
    private static let pause: Duration = .milliseconds(300)

    /// A page of channels by name.
    package func channels(prefix: String, after: String?, limit: Int) async -> ChannelPage {
        await asked(until: Self.hasRates) {
            await self.page(.channels(prefix: prefix, after: after, limit: limit), limit: limit)
        }
    }

    /// What the nodes that are asked for channels say, as one page.
    func page(_ question: ClusterQuestion, limit: Int) async -> ChannelPage {
        let (count, answers) = await ask(question)
        let merged = Merging.channels(answers.compactMap { $0.answer.listed }, limit: limit)
        return ChannelPage(nodes: count, channels: merged.channels.map(\.shown), cursor: merged.cursor)
    }

    /// A page of channels by their subscribers or rates; the pages of a listing have at most `maximumPage` channels together.
    ///
    /// Each node names its own first ones. One that is behind those on a node may be among the first of the cluster all the same,
    /// so all nodes are asked for the counts of those that any of them named.
    package func channels(
        prefix: String, by sort: ChannelSort, after: ChannelPlace?, limit: Int
    ) async -> (page: ChannelPage, cursor: ChannelPlace?) {
        let found = await asked(until: Self.hasRates) { await self.first(prefix: prefix, by: sort) }
        let merged = Merging.page(of: found.channels, by: sort, after: after, limit: limit)
        let page = ChannelPage(nodes: found.nodes, channels: merged.channels.map(\.shown), cursor: nil)
        return (page, merged.cursor)
    }

    /// The first `maximumPage` channels of all nodes.
    private func first(prefix: String, by sort: ChannelSort) async -> ChannelPage {
        let most = Self.maximumPage
        let (count, answers) = await ask(.busiest(prefix: prefix, by: sort, limit: most))
        let lists = answers.compactMap { $0.answer.listed }.map { Array($0.prefix(most)) }
        var known = Merging.sum(lists.joined())
        if lists.count > 1, lists.contains(where: { $0.count == most }) {
            let names = Merging.page(of: known, by: sort, after: nil, limit: most).channels.map(\.name)
            let (_, counts) = await ask(.counts(names: names))
            known = Merging.sum(counts.compactMap { $0.answer.listed }.joined())
        }
        let channels = Merging.page(of: known, by: sort, after: nil, limit: most).channels
        return ChannelPage(nodes: count, channels: channels, cursor: nil)
    }

    /// Asks again, a few times, while rates are not known yet: nodes begin to look at them when they are asked.
    private func asked<Report>(until hasRates: (Report) -> Bool, _ ask: () async -> Report) async -> Report {
        var report = await ask()
        for _ in 0..<Self.looks where !hasRates(report) {
            try? await Task.sleep(for: Self.pause)
            report = await ask()
        }
        return report
    }

    private static func hasRates(_ page: ChannelPage) -> Bool {
        page.channels.allSatisfy { $0.publicationsPerS != nil }
    }

    package func channel(_ name: String) async -> ChannelReport {
        await asked(until: { $0.subscribers == 0 || $0.publicationsPerS != nil }) { await self.channelNow(name) }
    }

    private func channelNow(_ name: String) async -> ChannelReport {
        let (count, answers) = await ask(.channel(name: name))
        let shares = answers.compactMap { entry -> ChannelReport.Share? in
            guard case .channel(let subscribers, let dropped, let more) = entry.answer else { return nil }
            return .init(
                node: entry.node.description, subscribers: subscribers, droppedPublications: dropped,
                dialects: more?.dialects, publicationsPerS: more?.publicationsPerS)
        }
        let channel = ChannelName(trusted: Array(name.utf8))
        let rule = node.live.rules.rule(for: channel)
        return ChannelReport(
            nodes: count, name: name, subscribers: shares.lazy.map(\.subscribers).sum,
            publicationsPerS: shares.compactMap(\.publicationsPerS).max(),
            dialects: DialectShare.sum(shares.compactMap(\.dialects).joined()), rule: rule.match.description,
            slow: rule.slow.rawValue,
            history: rule.history.map { .init(size: Count($0.size), ttlMs: Count($0.timeToLive)) },
            presence: rule.presence.map { .init(joinLeave: $0.joinLeaveText, graceMs: Count($0.grace)) },
            droppedPublications: shares.lazy.compactMap(\.droppedPublications).sum,
            byNode: shares.sorted { $0.node < $1.node })
    }

    // MARK: This node's answers

    /// Goes on with a walk until it is over; between two slices the reactor serves its sessions.
    func walk<Result: Sendable>(
        _ shard: Shard, _ step: @escaping @Sendable (Shard) -> Result?
    ) async -> Result {
        while true {
            if let result = await shard.reactor.perform({ step(shard) }) { return result }
        }
    }

    /// The first channels of this node after a name, of those whose names are wanted.
    func channels(
        after: String?, limit: Int, where isWanted: @escaping @Sendable ([UInt8]) -> Bool
    ) async -> ClusterAnswer {
        let after = after.map { Array($0.utf8) }
        let limit = max(0, min(limit, Self.maximumPage))
        var lists: [[ChannelSummary]] = []
        for shard in node.shards {
            let walk = ChannelWalk(.name, after: after, limit: limit, where: isWanted)
            lists.append(await self.walk(shard) { walk.step(on: $0) })
        }
        // Each reactor's list is whole up to its last name, and so are the first ones of all.
        let sorted = lists.map { list in
            list.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        }
        return .channels(Merging.channels(sorted, limit: limit).channels.map(\.ofOneNode))
    }

    func busiest(prefix: String, by sort: ChannelSort, limit: Int) async -> ClusterAnswer {
        node.channelRates.want()
        let prefix = Array(prefix.utf8)
        let limit = max(0, min(limit, Self.maximumPage))
        var lists: [[ChannelSummary]] = []
        for shard in node.shards {
            let walk = ChannelWalk(sort, limit: limit) { $0.starts(with: prefix) }
            lists.append(await self.walk(shard) { walk.step(on: $0) })
        }
        var known = Merging.sum(lists.joined())
        if lists.count > 1, lists.contains(where: { $0.count == limit }) {
            known = await sums(of: known.map { ChannelName(trusted: Array($0.name.utf8)) })
        }
        return .channels(Merging.page(of: known, by: sort, after: nil, limit: limit).channels.map(\.ofOneNode))
    }

    func counts(_ names: [String]) async -> ClusterAnswer {
        node.channelRates.want()
        let names = names.prefix(Self.maximumPage).map { ChannelName(trusted: Array($0.utf8)) }
        return .channels(await sums(of: names).map(\.ofOneNode))
    }

    private func sums(of names: [ChannelName]) async -> [ChannelSummary] {
        var found: [ChannelSummary] = []
        for start in stride(from: 0, to: names.count, by: Self.slice) {
            let slice = Array(names[start..<min(names.count, start + Self.slice)])
            for shard in node.shards { found += await shard.reactor.perform { shard.summaries(of: slice) } }
        }
        return Merging.sum(found)
    }

    /// Channels that a reactor looks up at a time.
    private static let slice = 512

    func share(of name: ChannelName) async -> ClusterAnswer {
        node.channelRates.want()
        var subscribers: Count = 0
        var dropped: Count = 0
        var dialects: [DialectShare] = []
        var rates: [Rate] = []
        for shard in node.shards {
            let share = await shard.reactor.perform { shard.share(of: name) }
            subscribers += Count(share.subscribers)
            dropped += Count(share.dropped)
            dialects += share.more.dialects
            if let rate = share.more.publicationsPerS { rates.append(rate) }
        }
        return .channel(
            subscribers: subscribers, dropped: dropped,
            more: ChannelShareDetails(dialects: DialectShare.sum(dialects), publicationsPerS: rates.max()))
    }
}

extension ChannelSummary {
    /// As operators see it.
    fileprivate var shown: ChannelSummary {
        var shown = self
        shown.nodes = onNodes
        return shown
    }

    /// The sum over a node's reactors.
    fileprivate var ofOneNode: ChannelSummary {
        var summary = self
        summary.onNodes = 1
        return summary
    }
}

extension DialectShare {
    /// Each dialect once, in the order of their names.
    static func sum(_ shares: some Sequence<DialectShare>) -> [DialectShare] {
        var counts: [[UInt8]: DialectShare] = [:]
        for share in shares {
            let name = Array(share.name.text.utf8)
            counts[name] = DialectShare(
                name: share.name, subscribers: (counts[name]?.subscribers ?? 0) + share.subscribers)
        }
        return counts.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value)
    }
}

extension ClusterAnswer {
    fileprivate var listed: [ChannelSummary]? { if case .channels(let channels) = self { channels } else { nil } }
}
