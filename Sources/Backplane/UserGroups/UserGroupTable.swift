import Codec

/// The memberships of users, in the memory of a node that has no others beside it. Reads no clock.
package struct UserGroupTable: Sendable {
    private var byUser: [UserGroups: [UserGroups.Membership]] = [:]
    /// Memberships that were given up because a user had too many.
    package private(set) var givenUp: UInt64 = 0
    /// When all entries were looked through last, in seconds since 1970.
    private var lastSweep: Int64 = 0
    private static let sweepSeconds: Int64 = 60

    package init() {}

    /// Users with memberships.
    package var count: Int { byUser.count }

    /// - Parameter now: Seconds since 1970.
    package mutating func carryOut(
        _ request: UserGroups.Request, of user: UserGroups, now: Int64
    ) -> [UserGroups.Membership] {
        if now >= lastSweep + Self.sweepSeconds || now < lastSweep { sweep(now: now) }
        var known = (byUser[user] ?? []).filter { $0.until > now }
        switch request {
        case .add(let channel, let until):
            known.removeAll { $0.channel == channel }
            if until > now { known.append(.init(channel, until: until)) }
            known.sort { $0.until < $1.until }
            let over = max(0, known.count - UserGroups.maximum)
            known.removeFirst(over)
            givenUp &+= UInt64(clamping: over)
        case .remove(let channel): known.removeAll { $0.channel == channel }
        case .removeAll: known = []
        case .list: return known
        }
        byUser[user] = known.isEmpty ? nil : known
        return []
    }

    /// Users who never come back are forgotten, too.
    private mutating func sweep(now: Int64) {
        lastSweep = now
        for (user, known) in byUser {
            let left = known.filter { $0.until > now }
            if left.count != known.count { byUser[user] = left.isEmpty ? nil : left }
        }
    }
}
