/// Makes tokens, for operators and tests. Applications make theirs with any JWT library.
package struct TokenMaker: Sendable {
    package let key: SigningKey

    package init(key: SigningKey) { self.key = key }

    /// A signed token. It is read back before it is given out, so what a node would refuse is not made; only its times
    /// are not looked at.
    package func make(_ contents: TokenContents) throws(TokenMakerError) -> String {
        let header = ObjectWriter()
        header.text("alg", key.algorithm.rawValue)
        header.text("kid", key.id)
        header.text("typ", "JWT")
        let signed = Base64URL.encode(header.bytes) + "." + Base64URL.encode(try contents.json())
        let signature: [UInt8]
        do {
            signature = try key.signature(over: Array(signed.utf8))
        } catch {
            throw .notSigned("\(error)")
        }
        let token = signed + "." + Base64URL.encode(signature)
        do {
            let parts = try SignedToken(token)
            try TokenVerifier(keys: KeySet([key.verificationKey])).checkSignature(of: parts)
            let claims = try parts.claims()
            for name in ["exp", "nbf", "iat", "expire_at"] { _ = try claims.time(name) }
            if contents.channel == nil { _ = try ConnectionClaims(claims) } else { _ = try SubscriptionClaims(claims) }
        } catch {
            throw .refused(error)
        }
        return token
    }
}

/// Why a token was not made.
package enum TokenMakerError: Error, Equatable, Sendable, CustomStringConvertible {
    case both
    case clientWithoutChannel
    case notJSON(String)
    case notSigned(String)
    case refused(TokenError)

    package var description: String {
        switch self {
        case .both: "a token is for one subscription (a channel) or for a connection (channels, grants), not for both"
        case .clientWithoutChannel: "only a token for one subscription can be bound to a connection: name the channel"
        case .notJSON(let name): "\"\(name)\" is not JSON; text needs its quotes"
        case .notSigned(let why): "not signed: \(why)"
        case .refused(let error): "a node would refuse it: \(error)"
        }
    }
}
