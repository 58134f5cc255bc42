import Codec
import Reactor

/// A walk over the channels of one reactor, in slices: between two of them the reactor serves its sessions. On that reactor only.
///
/// A channel that comes or goes meanwhile may be in it or not; all others are in it once.
final class ChannelWalk: @unchecked Sendable {
    private struct Pick {
        let channel: ShardChannel
        let value: Double
    }

    private let sort: ChannelSort
    private let after: [UInt8]?
    private let isWanted: ([UInt8]) -> Bool
    private var picks: Foremost<Pick>
    private var next = 0

    /// - Parameter after: With `sort` by name, the name behind which it begins.
    init(
        _ sort: ChannelSort, after: [UInt8]? = nil, limit: Int, where isWanted: @escaping @Sendable ([UInt8]) -> Bool
    ) {
        self.sort = sort
        self.after = after
        self.isWanted = isWanted
        picks = Foremost(limit) { left, right in
            if left.value != right.value { return left.value > right.value }
            return left.channel.name.bytes.lexicographicallyPrecedes(right.channel.name.bytes)
        }
    }

    /// Goes one slice further.
    ///
    /// - Returns: What was found, in no order; nil while there is more to look at.
    func step(on shard: Shard) -> [ChannelSummary]? {
        let channels = shard.channels.byIndex
        let end = min(channels.count, next + Shard.sliceChannels)
        for index in next..<max(next, end) {
            guard let channel = channels[index], !channel.name.isReserved, isWanted(channel.name.bytes) else {
                continue
            }
            if let after, !after.lexicographicallyPrecedes(channel.name.bytes) { continue }
            picks.offer(Pick(channel: channel, value: value(of: channel, now: shard.reactor.now)))
        }
        next = end
        guard next >= channels.count else { return nil }
        return picks.elements.map { shard.summary(of: $0.channel) }
    }

    private func value(of channel: ShardChannel, now: MonotonicTime) -> Double {
        switch sort {
        case .name: 0
        case .subscribers: Double(channel.subscribers)
        case .rate: channel.publicationsPerSecond(now: now) ?? 0
        }
    }
}

extension Shard {
    func summary(of channel: ShardChannel) -> ChannelSummary {
        ChannelSummary(
            name: channel.name.description, subscribers: Count(channel.subscribers), onNodes: 1,
            publicationsPerS: channel.publicationsPerSecond(now: reactor.now).map(Rate.init(tenths:)))
    }

    /// What this reactor has of channels that are named; others are left out.
    func summaries(of names: some Sequence<ChannelName>) -> [ChannelSummary] {
        names.compactMap { name in
            guard !name.isReserved, let channel = channels.byName[name] else { return nil }
            return summary(of: channel)
        }
    }

    /// One channel as this reactor has it.
    func share(of name: ChannelName) -> (subscribers: Int, dropped: UInt64, more: ChannelShareDetails) {
        guard let channel = channels.byName[name] else { return (0, 0, ChannelShareDetails(dialects: [])) }
        return (
            channels.subscribers(of: name), channel.dropped,
            ChannelShareDetails(
                dialects: channel.rosters.dialects.map { DialectShare(name: PlainText($0), subscribers: Count($1)) },
                publicationsPerS: channel.publicationsPerSecond(now: reactor.now).map(Rate.init(tenths:)))
        )
    }
}

extension RosterList {
    /// How many subscribers speak each dialect, of those that are confirmed.
    var dialects: [(name: String, subscribers: Int)] {
        guard let entries else { return [] }
        var counts = Array(repeating: 0, count: Dialect.allCases.count)
        for index in 0..<count {
            counts[Int(entries[index].variant.dialect.rawValue)] += entries[index].roster.count
        }
        return Dialect.allCases.compactMap { dialect in
            let count = counts[Int(dialect.rawValue)]
            return count == 0 ? nil : (dialect.name, count)
        }
    }
}

extension Rate {
    /// Rounded, as people want to read it.
    init(tenths number: Double) { self.init((number * 10).rounded() / 10) }
}
