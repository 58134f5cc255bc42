package import Authentication
package import Codec

/// Who a session is and what it may do, as its token or the application's hook said. Never changed: a refreshed token
/// makes new credentials.
package final class Credentials: Sendable {
    /// Nil for a visitor without a name.
    package let user: String?
    /// When the session has to end or bring a new token, in seconds since 1970; nil for never.
    package let expiresAt: Int64?
    /// Joined at once.
    package let channels: [ChannelName]
    package let grants: [Grant]
    /// JSON about the user that others may see.
    package let info: [UInt8]?

    package init(
        user: String?, expiresAt: Int64? = nil, channels: [ChannelName] = [], grants: [Grant] = [], info: [UInt8]? = nil
    ) {
        self.user = user
        self.expiresAt = expiresAt
        self.channels = channels
        self.grants = grants
        self.info = info
    }

    package convenience init(_ claims: ConnectionClaims) {
        self.init(
            user: claims.user, expiresAt: claims.expiresAt, channels: claims.channels, grants: claims.grants,
            info: claims.info)
    }

    /// Whether a grant, or the list of channels, permits it.
    package func allows(_ permission: Grant.Permissions, in channel: ChannelName) -> Bool {
        if permission == .subscribe, channels.contains(channel) { return true }
        return grants.permissions(in: channel).contains(permission)
    }

    /// The channel through which all sessions of the user are reached.
    package var userChannel: ChannelName? { user.flatMap(ChannelName.user) }
}
