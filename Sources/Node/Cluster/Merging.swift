/// Many nodes' answers as one. Pure.
package enum Merging {
    /// Pages of channels by name: the counts of equal names are added.
    ///
    /// Each node has sent its first `limit` names after the cursor, so the first `limit` names of all together are
    /// complete.
    package static func channels(
        _ answers: [[ChannelSummary]], limit: Int
    ) -> (channels: [ChannelSummary], cursor: String?) {
        var byName: [String: ChannelSummary] = [:]
        for channel in answers.joined() {
            if byName[channel.name] == nil {
                byName[channel.name] = channel
            } else {
                byName[channel.name]!.subscribers += channel.subscribers
                byName[channel.name]!.onNodes += channel.onNodes
            }
        }
        // By bytes, as the nodes order them.
        let sorted = byName.values.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        let page = Array(sorted.prefix(limit))
        let isMore = sorted.count > limit || answers.contains { $0.count >= limit }
        return (page, isMore ? page.last?.name : nil)
    }

    package static func connections(
        _ answers: [[ConnectionSummary]], sort: ConnectionSort, limit: Int
    ) -> (connections: [ConnectionSummary], cursor: ConnectionCursor?) {
        let sorted = answers.joined().sorted { precedes(cursor(of: $0), cursor(of: $1), sort) }
        let page = Array(sorted.prefix(limit))
        let isMore = sorted.count > limit || answers.contains { $0.count >= limit }
        return (page, isMore ? page.last.map(cursor) : nil)
    }

    private static func cursor(of connection: ConnectionSummary) -> ConnectionCursor {
        ConnectionCursor(backlog: connection.backlogBytes, id: connection.id)
    }

    /// Whether one place comes before another in a listing.
    package static func precedes(_ left: ConnectionCursor, _ right: ConnectionCursor, _ sort: ConnectionSort) -> Bool {
        if sort == .backlog, left.backlog != right.backlog { return left.backlog > right.backlog }
        return left.id < right.id
    }
}
