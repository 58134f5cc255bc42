/// What somebody wants to know about who is present.
package struct PresenceQuery: Hashable, Sendable {
    package enum View: String, CaseIterable, Sendable {
        /// Numbers alone.
        case count
        /// Each session.
        case clients
        /// Each user once, and each session without a user.
        case users
    }

    package let channel: ChannelName
    package let view: View
    /// The bytes of the last entry of the page before: a session's 32, or a member's key.
    package let after: [UInt8]?
    /// How many entries the answer may have: 0 to `maximumLimit`.
    package let limit: Int
    /// Everybody or nobody: when there are more than `limit`, or they have more than `maximumBytes`, the answer has the
    /// counts and no entries. For those who could take a part of the list for the whole.
    package let isWhole: Bool

    /// Entries of one answer at the most.
    package static let maximumLimit = 1000
    /// Bytes of one answer's entries at the most, as members are packed. A single entry may be larger.
    package static let maximumBytes = 512 * 1024

    package init(channel: ChannelName, view: View, after: [UInt8]? = nil, limit: Int, isWhole: Bool = false) {
        self.channel = channel
        self.view = view
        self.after = after
        self.limit = max(0, min(limit, Self.maximumLimit))
        self.isWhole = isWhole
    }

    /// Whether these bytes can be the `after` of a query.
    package static func isPlace(_ bytes: [UInt8], in view: View) -> Bool {
        switch view {
        case .count: false
        case .clients: bytes.count == SessionID.byteCount
        case .users: (2...Int(UInt16.max)).contains(bytes.count)
        }
    }
}

/// How many are present. The type holds no number that is negative or that a client could not read, so nothing has to be
/// checked where it is written out.
package struct PresenceCounts: Equatable, Sendable {
    /// Sessions, on all nodes.
    package let clients: UInt32
    /// The same with those of one user counted once.
    package let users: UInt32

    package static let nobody = PresenceCounts(ours: 0, users: 0)

    /// Numbers this node has counted.
    package init(ours clients: Int, users: Int) {
        self.clients = UInt32(clamping: clients)
        self.users = UInt32(clamping: users)
    }

    /// Numbers that came from Redis, so from anybody.
    ///
    /// - Returns: Nil when they cannot be counts.
    package init?(foreign clients: Int64, users: Int64) {
        guard let clients = UInt32(exactly: clients), let users = UInt32(exactly: users) else { return nil }
        self.clients = clients
        self.users = users
    }
}

/// Who is present, or a part of that.
package struct PresencePage: Sendable {
    package let counts: PresenceCounts
    /// With `view: clients`, in the order of their bytes.
    package var members: [PresenceMember] = []
    /// With `view: users`: the keys of members.
    package var keys: [[UInt8]] = []
    /// There are more entries than these. With `isWhole`: there are too many, so there are none here.
    package var hasMore = false
    /// Where this page ends: the `after` of the next one.
    package var end: [UInt8]?

    package init(_ counts: PresenceCounts) { self.counts = counts }

    /// Sessions, on all nodes.
    package var clients: Int { Int(counts.clients) }
    /// The same with those of one user counted once.
    package var users: Int { Int(counts.users) }
}

extension SessionID {
    /// The session that a page of sessions ended with.
    ///
    /// - Returns: Nil for bytes that are no session.
    package init?(sortKey bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self = bytes.withUnsafeBytes { SessionID(bytes: $0) }
    }
}
