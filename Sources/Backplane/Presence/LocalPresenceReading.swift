package import Codec

/// What is read of those who are present.
extension LocalPresence {
    package func page(_ query: PresenceQuery) -> PresencePage {
        guard let room = rooms[query.channel] else { return PresencePage(.nobody) }
        var page = PresencePage(PresenceCounts(ours: room.entries.count, users: room.keys.count))
        let all = query.view == .users ? room.keys.count : room.entries.count
        if query.view != .count, query.isWhole, all > query.limit {
            page.hasMore = true
            return page
        }
        var budget = PageBudget(query)
        switch query.view {
        case .count: break
        case .clients:
            let after = query.after.flatMap { SessionID(sortKey: $0) }
            room.entries.forEach(after: after) { entry in
                guard budget.take(entry.member.packedBytes) else { return false }
                page.members.append(entry.member)
                return true
            }
            page.end = page.members.last.map { PresenceMember.start(of: $0.session) }
        case .users:
            room.keys.forEach(after: query.after.flatMap { MemberKey($0) }) { key in
                let bytes = key.sortKey.bytes
                guard budget.take(bytes.count) else { return false }
                page.keys.append(bytes)
                return true
            }
            page.end = page.keys.last
        }
        page.hasMore = budget.isExceeded
        if page.hasMore, query.isWhole {
            page.members = []
            page.keys = []
        }
        return page
    }
}

/// How much may still go into a page.
private struct PageBudget {
    private var entries: Int
    private var bytes: Int
    private(set) var isExceeded = false

    init(_ query: PresenceQuery) {
        entries = query.limit
        bytes = PresenceQuery.maximumBytes
    }

    /// - Returns: False when an entry has no room. The first one always has.
    mutating func take(_ size: Int) -> Bool {
        let isFirst = bytes == PresenceQuery.maximumBytes
        guard entries > 0, isFirst || size <= bytes else {
            isExceeded = true
            return false
        }
        entries -= 1
        bytes -= min(size, bytes)
        return true
    }
}
