import Codec
import Foundation

/// Who is present in a channel, as the API tells it.
package struct PresenceReport: Codable {
    package struct Entry: Codable {
        /// The session; nil for a user in `view=users`.
        package var client: String?
        package var user: String?
        /// What the user's token says that others may see, as JSON text.
        package var info: String?
    }

    /// Sessions, on all nodes.
    package var clients: Int
    /// The same with those of one user counted once.
    package var users: Int
    /// Absent with `view=count`.
    package var members: [Entry]?
    /// To be given back for the next page.
    package var cursor: String?

    init(_ page: PresencePage, _ query: PresenceQuery) {
        clients = page.clients
        users = page.users
        switch query.view {
        case .count: break
        case .clients:
            members = page.members.map { member in
                Entry(member)
            }
        case .users:
            members = page.keys.map { key in
                PresenceMember.user(ofKey: key).map { Entry(user: String(decoding: $0, as: UTF8.self)) }
                    ?? Entry(client: PresenceMember.session(ofKey: key)?.description)
            }
        }
        if page.hasMore, let end = page.end { cursor = PageCursor.encode(Data(end)) }
    }
}

extension PresenceReport.Entry {
    init(_ member: PresenceMember) {
        self.init(
            client: member.session.description, user: member.user.map { String(decoding: $0, as: UTF8.self) },
            info: member.info.map { String(decoding: $0, as: UTF8.self) })
    }
}
