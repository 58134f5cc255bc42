package import Authentication
package import Codec

/// What of a token a revocation can be about.
package struct TokenMark: Equatable, Sendable {
    /// Whose it is ("sub").
    package let user: ForeignText?
    /// Its own id ("jti").
    package let id: ForeignText?
    /// When it was issued ("iat"), in seconds since 1970; nil where it does not say.
    package let issuedAt: Int64?

    package init(user: ForeignText?, id: ForeignText?, issuedAt: Int64?) {
        self.user = user
        self.id = id
        self.issuedAt = issuedAt
    }

    package init(_ claims: ConnectionClaims) {
        self.init(user: claims.user, id: claims.id.map { ForeignText($0) }, issuedAt: claims.issuedAt)
    }

    package init(_ claims: SubscriptionClaims) {
        self.init(user: claims.user, id: claims.id.map { ForeignText($0) }, issuedAt: claims.issuedAt)
    }
}

extension Revocation {
    /// Whether it is about a token. One that does not say when it was issued may be as old as any.
    package func revokes(_ token: TokenMark) -> Bool {
        switch subject {
        case .token(let id): token.id == id
        case .user(let user): token.user == user && (token.issuedAt ?? 0) <= issuedUntil
        case .everybody: (token.issuedAt ?? 0) <= issuedUntil
        }
    }
}
