import Codec
import Foundation

/// Who is present in a channel, as the API tells it.
struct PresenceReport: Encodable {
    struct Entry: Encodable {
        /// The session; nil for a user in `view=users`.
        var client: String?
        var user: String?
        /// What the user's token says that others may see, as JSON text.
        var info: String?
    }

    /// Sessions, on all nodes.
    var clients: Int
    /// The same with those of one user counted once.
    var users: Int
    /// Absent with `view=count`.
    var members: [Entry]?
    /// To be given back for the next page.
    var cursor: String?

    init(_ page: PresencePage, _ query: PresenceQuery) {
        clients = page.clients
        users = page.users
        switch query.view {
        case .count: break
        case .clients:
            members = page.members.map { member in
                Entry(
                    client: member.session.description, user: member.user.map { String(decoding: $0, as: UTF8.self) },
                    info: member.info.map { String(decoding: $0, as: UTF8.self) })
            }
            if page.members.count == query.limit, let last = page.members.last {
                cursor = PageCursor.encode(Data(PresenceMember.start(of: last.session)))
            }
        case .users:
            members = page.keys.map { key in
                PresenceMember.user(ofKey: key).map { Entry(user: String(decoding: $0, as: UTF8.self)) }
                    ?? Entry(client: PresenceMember.session(ofKey: key)?.description)
            }
            if page.keys.count == query.limit, let last = page.keys.last { cursor = PageCursor.encode(Data(last)) }
        }
    }
}
