import Codec

/// Why a key cannot be used: where it came from, what is wrong, and what would be right. Never holds key material.
package struct KeyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where the key is configured or read, for an operator: "PEM file /etc/carillon/key.pem".
    package let origin: String
    package let reason: Reason

    package enum Reason: Error, Equatable, Sendable {
        case secretTooShort(bytes: Int)
        case rsaSize(bits: Int)
        case algorithmMissing(SignatureAlgorithm.Family)
        case algorithmUnknown
        case algorithmMismatch(SignatureAlgorithm, SignatureAlgorithm.Family)
        case notPEM
        case privateKeyForVerifying
        case publicKeyForSigning
        case certificate
        case encrypted
        case unsupportedKey
        case notSigned
        case unreadable(String)
        case fileTooLarge
        case notJWKS
        case tooManyKeys(Int)
        case noUsableKey
        case notAnObject
        case member(String)
        case notForSignatures
        case privateMember
        case secretFromNetwork
        case keyIDTooLong
        case duplicateKeyID
        case unreachable(SignatureAlgorithm)
        case badURL
        case plainHTTP
        case interval
        case fetch(String)
    }

    package init(_ origin: String, _ reason: Reason) {
        self.origin = origin
        self.reason = reason
    }

    package var description: String { "\(origin): \(reason)" }
}

extension KeyError.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .secretTooShort(let bytes):
            "the secret has \(things(bytes, "byte")) and needs at least \(VerificationKey.minimumSecretBytes); "
                + "`openssl rand -base64 48` makes a good one"
        case .rsaSize(let bits):
            "the RSA key has \(bits) bits; \(VerificationKey.rsaBits.lowerBound) to "
                + "\(VerificationKey.rsaBits.upperBound) are accepted"
        case .algorithmMissing(let family):
            "this \(family) fits several algorithms, and none is named; name one, such as "
                + (family == .rsa ? "RS256" : "HS256")
        case .algorithmUnknown:
            "unknown algorithm; known are "
                + SignatureAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")
        case .algorithmMismatch(let algorithm, let family): "\(algorithm) needs another kind of key than this \(family)"
        case .notPEM: "not a PEM key: expected one block that begins with -----BEGIN PUBLIC KEY-----"
        case .privateKeyForVerifying:
            "this is a private key, and a node needs only the public one: "
                + "`openssl pkey -in FILE -pubout` writes it"
        case .publicKeyForSigning: "this is a public key; signing needs the private one"
        case .certificate:
            "this is a certificate and not a key: `openssl x509 -in FILE -pubkey -noout` writes its public key"
        case .encrypted:
            "this key is encrypted; `openssl pkey -in FILE -out OTHER` asks for the passphrase and writes it without one"
        case .unsupportedKey: "neither an RSA, a P-256, P-384, P-521 nor an Ed25519 key, or a damaged one"
        case .notSigned: "OpenSSL cannot sign with this key"
        case .unreadable(let why): "cannot be read: \(why)"
        case .fileTooLarge: "larger than \(JWKSet.maximumBytes) bytes"
        case .notJWKS: "not a JWK set: expected a JSON object with an array \"keys\" (RFC 7517 5)"
        case .tooManyKeys(let count): "\(count) keys, and at most \(JWKSet.maximumKeys) are accepted"
        case .noUsableKey: "holds no key that can be used"
        case .notAnObject: "not a JSON object, or one with a member twice"
        case .member(let name): "member \"\(name)\" is missing or wrong"
        case .notForSignatures: "not for verifying signatures, says its \"use\" or \"key_ops\""
        case .privateMember: "holds a private key (\"d\"), which must not leave the issuer"
        case .secretFromNetwork: "a secret (\"kty\": \"oct\") is not accepted from a URL, only from a file"
        case .keyIDTooLong: "the key id is empty or longer than \(VerificationKey.maximumIDBytes) bytes"
        case .duplicateKeyID: "another key has the same key id; the first one is used"
        case .unreachable(let algorithm):
            "this key has no key id and is not the only \(algorithm) key, so no token can mean it; give it an id"
        case .badURL: "not a URL for a JWK set: expected https://host/path, without user and password"
        case .plainHTTP: "keys over plain http can be replaced on the way: use https, or allow it explicitly"
        case .interval: "fetched too often: the interval has to be \(KeySource.minimumInterval) or more"
        case .fetch(let why): "not fetched: \(why)"
        }
    }
}
