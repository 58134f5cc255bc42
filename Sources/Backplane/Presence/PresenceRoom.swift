import Codec
import Reactor

/// What the sessions of one user have in common in a channel: the user, or the session where there is none. Its order is
/// that of the bytes of `PresenceMember.key`.
enum MemberKey: Hashable, Comparable {
    case session(SessionID)
    case user([UInt8])

    init(_ member: PresenceMember) { self = member.user.map { .user($0) } ?? .session(member.session) }

    /// - Returns: Nil for bytes that are no key.
    init?(_ bytes: [UInt8]) {
        if let user = PresenceMember.user(ofKey: bytes) {
            self = .user(user)
        } else if let session = PresenceMember.session(ofKey: bytes) {
            self = .session(session)
        } else {
            return nil
        }
    }

    var bytes: [UInt8] {
        switch self {
        case .session(let session): [UInt8(ascii: "s")] + PresenceMember.start(of: session)
        case .user(let user): [UInt8(ascii: "u")] + user
        }
    }

    static func < (left: MemberKey, right: MemberKey) -> Bool {
        switch (left, right) {
        case (.session(let left), .session(let right)): left < right
        case (.session, .user): true
        case (.user, .session): false
        case (.user(let left), .user(let right)): left.lexicographicallyPrecedes(right)
        }
    }
}

/// A channel in which somebody of this node is present. An object, so that a change does not copy what is in it.
final class PresenceRoom {
    struct Entry: Sortable {
        let member: PresenceMember
        /// It has gone, and counts until then in case it comes back.
        var leavesAt: MonotonicTime?
        var told = LocalPresence.Told.nothing
        /// It was here before the channel had presence: nobody is told that it came.
        var isQuiet = false

        var sortKey: SessionID { member.session }
    }

    struct Key: Sortable {
        let sortKey: MemberKey
        /// Sessions of this node that have it.
        var sessions = 1
        /// Those of them that have gone and may come back.
        var leaving = 0
        /// The others may have been told that this node has it.
        var isMarked = false
    }

    let name: ChannelName
    var settings: PresenceSettings
    var entries = OrderedRuns<Entry>()
    var keys = OrderedRuns<Key>()
    /// Its place in the list of all rooms; nil when nobody is in it any more.
    var index: Int?

    init(_ name: ChannelName, _ settings: PresenceSettings) {
        self.name = name
        self.settings = settings
    }
}
