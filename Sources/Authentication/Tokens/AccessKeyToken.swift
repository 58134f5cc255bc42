internal import Codec

/// A token with which the holder of a shared key authorizes one request, or one client: HS256, and "aud" says which (REST API of the Azure
/// SignalR Service, "Authenticate via Azure SignalR Service AccessKey").
package struct AccessKeyToken: Sendable {
    /// What it is for: at least one.
    package let audiences: [String]
    let claims: ClaimReader

    /// - Parameters:
    ///   - keys: Any of them may have signed it. The key id that a token names ("kid") is the name of a key elsewhere, and is not looked at.
    ///   - now: Seconds since 1970. "exp" is required, and 30 s of difference between the clocks are tolerated.
    package init(_ token: String, keys: [[UInt8]], now: Int64) throws(TokenError) {
        let signed = try SignedToken(token)
        guard signed.header.algorithm == .hs256 else { throw .algorithmRefused }
        guard !keys.isEmpty else { throw .unknownKey }
        // All are tried in the same way, whichever is right.
        let isSigned = keys.reduce(false) { isSigned, key in
            Secret(key).verifies(signed.signature, over: signed.signedBytes, with: .sha256) || isSigned
        }
        guard isSigned else { throw .badSignature }
        let claims = try signed.claims()
        try TokenVerifier(keys: .empty, rules: .standard).checkClaims(claims, now: now)
        guard let audiences = try claims.textOrTexts("aud"), !audiences.isEmpty else { throw .missingClaim("aud") }
        self.audiences = audiences
        self.claims = claims
    }

    /// Makes a token that is good with the key.
    ///
    /// - Returns: Nil when OpenSSL has no memory.
    package static func signed(
        by key: [UInt8], audience: String, user: String?, issuedAt: Int64, expiresAt: Int64
    ) -> String? {
        let writer = ByteWriter(capacity: 256)
        writer.append(#"{"aud":"#)
        JSONWriter.writeString(Array(audience.utf8), to: writer)
        writer.append(#","iat":"#)
        writer.append(decimal: UInt64(clamping: issuedAt))
        writer.append(#","exp":"#)
        writer.append(decimal: UInt64(clamping: expiresAt))
        if let user {
            writer.append(#","nameid":"#)
            JSONWriter.writeString(Array(user.utf8), to: writer)
        }
        writer.append("}")
        let header = Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8)
        let text = Base64URL.encode(header) + "." + Base64URL.encode(Array(writer.bytes))
        guard let code = Secret(key).code(over: Array(text.utf8), with: .sha256) else { return nil }
        return text + "." + Base64URL.encode(code)
    }
}
