internal import Codec

/// Decides on tokens. A value: it waits for nothing and locks nothing, so a reactor may keep one of its own.
package struct TokenVerifier: Sendable {
    /// The longest token, in bytes.
    package static let maximumBytes = 8192

    package let rules: TokenRules
    package let keys: KeySet
    /// Checked before any key is looked up.
    package let algorithms: Set<SignatureAlgorithm>
    /// Of two verifiers of one node, the greater is the newer.
    package let generation: UInt64

    /// - Parameter algorithms: What is allowed if the rules do not say; nil for the algorithms of the keys.
    package init(
        keys: KeySet, rules: TokenRules = .standard, algorithms: Set<SignatureAlgorithm>? = nil, generation: UInt64 = 0
    ) {
        self.generation = generation
        self.keys = keys
        self.rules = rules
        self.algorithms = rules.algorithms ?? algorithms ?? keys.algorithms
    }

    /// A token that opens a connection.
    ///
    /// - Parameter now: Seconds since 1970.
    package func verifyConnection(_ token: String, now: Int64) throws(TokenError) -> ConnectionClaims {
        try ConnectionClaims(verified(token, now: now))
    }

    /// A token that opens one subscription. Whose it is, `SubscriptionClaims.check` answers.
    ///
    /// - Parameter now: Seconds since 1970.
    package func verifySubscription(_ token: String, now: Int64) throws(TokenError) -> SubscriptionClaims {
        try SubscriptionClaims(verified(token, now: now))
    }

    /// Form, algorithm, key, signature, and only then what the token says.
    private func verified(_ token: String, now: Int64) throws(TokenError) -> ClaimReader {
        let signed = try SignedToken(token)
        try checkSignature(of: signed)
        let claims = try signed.claims()
        try checkClaims(claims, now: now)
        return claims
    }

    func checkSignature(of signed: SignedToken) throws(TokenError) {
        guard let algorithm = signed.header.algorithm, algorithms.contains(algorithm) else { throw .algorithmRefused }
        let key = try keys.key(id: signed.header.keyID, algorithm: algorithm)
        guard key.verifies(signed.signature, over: signed.signedBytes) else { throw .badSignature }
    }

    /// Whether a text is one of those that were configured.
    private static func names(_ configured: [String], _ text: String) -> Bool {
        configured.contains { ForeignText($0) == ForeignText(text) }
    }

    func checkClaims(_ claims: ClaimReader, now: Int64) throws(TokenError) {
        if let expiry = try claims.time("exp") {
            guard now < expiry + rules.leeway else { throw .expired(secondsAgo: now - expiry) }
        } else if rules.requiresExpiry {
            throw .missingClaim("exp")
        }
        if let end = try claims.time("expire_at"), end != 0, now >= end + rules.leeway {
            throw .expired(secondsAgo: now - end)
        }
        if let start = try claims.time("nbf"), now < start - rules.leeway {
            throw .notYetValid(inSeconds: start - now)
        }
        if !rules.issuers.isEmpty {
            guard let issuer = try claims.text("iss", limit: Self.maximumBytes), Self.names(rules.issuers, issuer)
            else { throw .wrongIssuer }
        }
        if !rules.audiences.isEmpty {
            guard let audiences = try claims.textOrTexts("aud"),
                audiences.contains(where: { Self.names(rules.audiences, $0) })
            else { throw .wrongAudience }
        }
    }
}
