import Codec

/// Many nodes' answers as one. Pure.
package enum Merging {
    /// Pages of channels by name: the counts of equal names are added.
    ///
    /// Each node has sent its first `limit` names after the cursor, so the first `limit` names of all together are
    /// complete.
    package static func channels(
        _ answers: [[ChannelSummary]], limit: Int
    ) -> (channels: [ChannelSummary], cursor: String?) {
        // By bytes, as the nodes order them.
        let sorted = sum(answers.lazy.map { $0.prefix(limit) }.joined())
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        let page = Array(sorted.prefix(limit))
        let isMore = sorted.count > limit || answers.contains { $0.count >= limit }
        return (page, isMore ? page.last?.name : nil)
    }

    /// Each channel once. Every node and reactor with subscribers gets every publication, so the highest rate is the channel's.
    package static func sum(_ channels: some Sequence<ChannelSummary>) -> [ChannelSummary] {
        // By bytes: two names that Unicode has for equal are two channels.
        var byName: [[UInt8]: ChannelSummary] = [:]
        for channel in channels {
            let name = Array(channel.name.utf8)
            if var sum = byName.removeValue(forKey: name) {
                sum.subscribers += channel.subscribers
                sum.onNodes += channel.onNodes
                sum.publicationsPerS = [sum.publicationsPerS, channel.publicationsPerS].compactMap { $0 }.max()
                byName[name] = sum
            } else {
                byName[name] = channel
            }
        }
        return Array(byName.values)
    }

    /// A page of channels in the order of a value, from those that are known.
    package static func page(
        of channels: [ChannelSummary], by sort: ChannelSort, after: ChannelPlace?, limit: Int
    ) -> (channels: [ChannelSummary], cursor: ChannelPlace?) {
        let sorted =
            channels
            .filter { channel in after.map { ChannelPlace.precedes($0, ChannelPlace(channel, sort)) } ?? true }
            .sorted { ChannelPlace.precedes(ChannelPlace($0, sort), ChannelPlace($1, sort)) }
        let page = Array(sorted.prefix(limit))
        return (page, sorted.count > limit ? page.last.map { ChannelPlace($0, sort) } : nil)
    }

    package static func connections(
        _ answers: [[ConnectionSummary]], sort: ConnectionSort, limit: Int
    ) -> (connections: [ConnectionSummary], cursor: ConnectionCursor?) {
        let sorted = answers.lazy.map { $0.prefix(limit) }.joined()
            .sorted { precedes(cursor(of: $0, sort), cursor(of: $1, sort), sort) }
        let page = Array(sorted.prefix(limit))
        let isMore = sorted.count > limit || answers.contains { $0.count >= limit }
        return (page, isMore ? page.last.map { cursor(of: $0, sort) } : nil)
    }

    private static func cursor(of connection: ConnectionSummary, _ sort: ConnectionSort) -> ConnectionCursor {
        ConnectionCursor(value: sort.value(of: connection), id: connection.id)
    }

    /// Whether one place comes before another in a listing.
    package static func precedes(_ left: ConnectionCursor, _ right: ConnectionCursor, _ sort: ConnectionSort) -> Bool {
        sort.precedes(left.value, right.value) ?? left.id.utf8.lexicographicallyPrecedes(right.id.utf8)
    }
}
