package import Codec

/// Groups of a hub that its application has added a user to, for the connections that the user opens later.
///
/// Each membership ends by itself. A user has a limited number of them in a hub; beyond that, those that end first are given up.
package struct UserGroups: Hashable, Sendable {
    /// `HubRule.number`.
    package let hub: UInt16
    package let user: ForeignText

    package init(hub: UInt16, user: ForeignText) {
        self.hub = hub
        self.user = user
    }

    /// A user of one hub has at most so many.
    package static let maximum = 100

    package enum Request: Equatable, Sendable {
        /// - Parameter until: Seconds since 1970.
        case add(ChannelName, until: Int64)
        case remove(ChannelName)
        case removeAll
        case list
    }

    package struct Membership: Equatable, Sendable {
        package let channel: ChannelName
        /// Seconds since 1970.
        package let until: Int64

        package init(_ channel: ChannelName, until: Int64) {
            self.channel = channel
            self.until = until
        }
    }

    /// What there is, for `list`; nothing for the others.
    package typealias Completion = (Result<[Membership], PublishRefusal>) -> Void
}
