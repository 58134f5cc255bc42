package import Authentication
package import Codec

/// Who a session is and what it may do, as its token or the application's hook said. Never changed: a refreshed token
/// makes new credentials.
package final class Credentials: Sendable {
    /// Nil for a visitor without a name.
    package let user: ForeignText?
    /// When the session has to end or bring a new token, in seconds since 1970; nil for never.
    package let expiresAt: Int64?
    /// Joined at once.
    package let channels: [ChannelName]
    package let grants: [Grant]
    /// JSON about the user that others may see.
    package let info: [UInt8]?
    /// By what it can be revoked; nil for whom nobody has vouched.
    package let token: TokenMark?
    /// Whether a token says all this, and not the application.
    package let isByToken: Bool

    package init(
        user: ForeignText?, expiresAt: Int64? = nil, channels: [ChannelName] = [], grants: [Grant] = [],
        info: [UInt8]? = nil, token: TokenMark? = nil, isByToken: Bool = true
    ) {
        self.user = user
        self.expiresAt = expiresAt
        self.channels = channels
        self.grants = grants
        self.info = info
        self.token = token
        self.isByToken = isByToken
    }

    /// What an application has answered: it is as good as a token that was issued now, and has no id.
    package convenience init(answered claims: ConnectionClaims, now: Int64) {
        self.init(
            user: claims.user, expiresAt: claims.expiresAt, channels: claims.channels, grants: claims.grants,
            info: claims.info, token: TokenMark(user: claims.user, id: nil, issuedAt: now), isByToken: false)
    }

    package convenience init(_ claims: ConnectionClaims) {
        self.init(
            user: claims.user, expiresAt: claims.expiresAt, channels: claims.channels, grants: claims.grants,
            info: claims.info, token: TokenMark(claims))
    }

    /// A client of a hub, as a token says that a key of the hub has signed.
    package convenience init(_ claims: HubClientClaims) {
        self.init(
            user: claims.user, expiresAt: claims.closesAt,
            token: TokenMark(
                user: claims.user, id: claims.id.map { ForeignText($0) }, issuedAt: claims.issuedAt))
    }

    /// The same with the user's personal channel among those that are joined at once.
    ///
    /// - Parameter prefix: What stands in front of the user's id; nil where there are no such channels. Users whose channel would have
    ///   an invalid name have none.
    package func joiningPersonalChannel(_ prefix: [UInt8]?) -> Credentials {
        guard let prefix, let user, let channel = try? ChannelName(validating: prefix + Array(user.text.utf8)),
            !channel.isReserved, !channels.contains(channel)
        else { return self }
        return Credentials(
            user: user, expiresAt: expiresAt, channels: channels + [channel], grants: grants, info: info,
            token: token, isByToken: isByToken)
    }

    /// Whether a grant, or the list of channels, permits it.
    package func allows(_ permission: Grant.Permissions, in channel: ChannelName) -> Bool {
        if permission == .subscribe, channels.contains(channel) { return true }
        return grants.permissions(in: channel).contains(permission)
    }

    /// The channel through which all sessions of the user are reached.
    package var userChannel: ChannelName? { user.flatMap { ChannelName.user($0.text) } }
}
