internal import Codec

/// A token taken apart (JWS compact serialization, RFC 7515 7.1), nothing in it believed yet.
struct SignedToken: Sendable {
    let header: TokenHeader
    let payload: [UInt8]
    let signature: [UInt8]
    /// The first two parts and the dot between them, as they came: what is signed.
    let signedBytes: [UInt8]

    init(_ token: String) throws(TokenError) {
        let count = token.utf8.count
        guard count <= TokenVerifier.maximumBytes else { throw .tooLarge(bytes: count) }
        let bytes = Array(token.utf8)
        let dots = bytes.indices.filter { bytes[$0] == UInt8(ascii: ".") }
        guard dots.count == 2, dots[0] > 0, dots[1] > dots[0] + 1 else { throw .malformed(.parts) }
        guard let header = Base64URL.decode(bytes[..<dots[0]]),
            let payload = Base64URL.decode(bytes[(dots[0] + 1)..<dots[1]]),
            let signature = Base64URL.decode(bytes[(dots[1] + 1)...])
        else { throw .malformed(.encoding) }
        self.header = try TokenHeader(header)
        self.payload = payload
        self.signature = signature
        signedBytes = Array(bytes[..<dots[1]])
    }

    func claims() throws(TokenError) -> ClaimReader {
        do {
            return ClaimReader(try JSONObject(payload))
        } catch {
            throw .malformed(error == .memberTwice ? .memberTwice : .payload)
        }
    }
}

/// The header of a token (RFC 7515 4): which algorithm and which key it claims.
struct TokenHeader: Sendable {
    /// As it is written, known or not.
    let algorithmName: String
    let keyID: String?

    /// Nil for names that are not known, "none" among them.
    var algorithm: SignatureAlgorithm? { SignatureAlgorithm(name: algorithmName) }

    init(_ bytes: [UInt8]) throws(TokenError) {
        let object: JSONObject
        do {
            object = try JSONObject(bytes)
        } catch {
            throw .malformed(error == .memberTwice ? .memberTwice : .header)
        }
        // "crit" asks to be refused by who does not know it (RFC 7515 4.1.11); a "cty" says that another token is
        // inside (RFC 7519 5.2); the others make the bytes mean something else. Keys that a token brings along ("jwk",
        // "jku", "x5c", "x5u") are never looked at.
        for member: TokenError.HeaderMember in [.critical, .contentType, .encryption, .compression, .unencoded]
        where object.members[ForeignText(member.rawValue)] != nil {
            throw .headerRefused(member)
        }
        if let type = object.members[ForeignText(TokenError.HeaderMember.type.rawValue)] {
            guard let text = JSONObject.string(type), Self.isAccessToken(text) else { throw .headerRefused(.type) }
        }
        guard let algorithm = object.string("alg") else { throw .malformed(.header) }
        algorithmName = algorithm
        if let id = object.members["kid"] {
            // A key id that is not text names no key of ours.
            guard let text = JSONObject.string(id), text.utf8.count <= VerificationKey.maximumIDBytes
            else { throw .unknownKey }
            keyID = text
        } else {
            keyID = nil
        }
    }

    /// Whether the type is that of a token for access, and not, say, one for logging out (RFC 8725 3.11, RFC 9068 2.1).
    private static func isAccessToken(_ type: String) -> Bool {
        let name = type.lowercased()
        return ["jwt", "at+jwt", "application/jwt", "application/at+jwt"].contains(name)
    }
}
