package import Codec

/// What a verified token says about a connection.
package struct ConnectionClaims: Equatable, Sendable {
    /// The user id ("sub"), 1 to 249 bytes; nil for a visitor without a name.
    package var user: ForeignText?
    /// When the connection has to end or bring a new token, in seconds since 1970: "expire_at" where it is given, else
    /// "exp". Nil for never.
    package var expiresAt: Int64?
    package var issuedAt: Int64?
    /// The token's own id ("jti").
    package var id: String?
    /// What others may see of this user: JSON as it was written ("info").
    package var info: [UInt8]?
    /// What only the node sees: JSON as it was written ("meta").
    package var meta: [UInt8]?
    /// Joined at once ("channels", or the names in "subs").
    package var channels: [ChannelName]
    package var grants: [Grant]

    init(_ claims: ClaimReader) throws(TokenError) {
        guard !claims.has("channel") else { throw .subscriptionToken }
        user = try claims.identifier("sub").map { ForeignText($0) }
        expiresAt = try claims.sessionExpiry()
        issuedAt = try claims.time("iat")
        id = try claims.identifier("jti")
        info = claims.raw("info")
        meta = claims.raw("meta")
        channels = try claims.channels()
        grants = try claims.grants()
    }
}

/// What a verified token says about one subscription.
package struct SubscriptionClaims: Equatable, Sendable {
    /// The one channel this token opens.
    package var channel: ChannelName
    /// Whose token it is ("sub"); nil for a visitor without a name.
    package var user: ForeignText?
    /// The connection it is bound to ("client"), or nil for any connection of the user.
    package var client: SessionID?
    /// When the subscription has to end or bring a new token, in seconds since 1970: "expire_at" where it is given (0 is
    /// never), else "exp". Nil for never.
    package var expiresAt: Int64?
    package var issuedAt: Int64?
    /// The token's own id ("jti").
    package var id: String?
    /// What others in the channel may see of this subscriber: JSON as it was written.
    package var info: [UInt8]?
    package var meta: [UInt8]?

    init(_ claims: ClaimReader) throws(TokenError) {
        guard let channel = try claims.channel("channel") else { throw .connectionToken }
        // A token that says both would be one thing here and another thing there.
        for name in ["channels", "subs", "grants"] where claims.has(name) { throw .connectionToken }
        self.channel = channel
        user = try claims.identifier("sub").map { ForeignText($0) }
        if let text = try claims.identifier("client") {
            guard let id = SessionID(text) else { throw .invalidClaim("client", .connection) }
            client = id
        } else {
            client = nil
        }
        expiresAt = try claims.sessionExpiry()
        issuedAt = try claims.time("iat")
        id = try claims.identifier("jti")
        info = claims.raw("info")
        meta = claims.raw("meta")
    }

    /// Whether the token is for this channel, this user and this connection. Somebody else's token is of no use.
    package func check(channel: ChannelName, user: ForeignText?, client: SessionID) throws(TokenError) {
        guard channel == self.channel else { throw .wrongChannel }
        guard user == self.user else { throw .wrongUser }
        guard self.client == nil || self.client == client else { throw .wrongConnection }
    }
}

extension ClaimReader {
    /// When the session ends: "expire_at", where 0 is never, goes before "exp".
    fileprivate func sessionExpiry() throws(TokenError) -> Int64? {
        guard let own = try time("expire_at") else { return try time("exp") }
        return own == 0 ? nil : own
    }
}
