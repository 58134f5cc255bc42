/// The key itself, as the cryptography takes it: without the algorithm and the name that it is used with.
///
/// The material of a private key has its public part too, so it both signs and verifies.
enum KeyMaterial: Sendable {
    case secret(Secret)
    case rsa(RSAKey)
    case elliptic(EllipticKey)
    case ed25519(Ed25519Key)

    var family: SignatureAlgorithm.Family {
        switch self {
        case .secret: .secret
        case .rsa: .rsa
        case .elliptic(let key): key.curve.family
        case .ed25519: .ed25519
        }
    }

    /// Whether the signature is one of the message. False for an algorithm of another family. Takes the same time for every wrong HMAC
    /// of the right length.
    func verifies(_ signature: [UInt8], over message: [UInt8], with algorithm: SignatureAlgorithm) -> Bool {
        guard algorithm.family == family else { return false }
        return switch (self, algorithm.hash, algorithm.padding) {
        case (.secret(let secret), let hash?, _): secret.verifies(signature, over: message, with: hash)
        case (.rsa(let key), let hash?, let padding?):
            key.verifies(signature, over: message, hash: hash, padding: padding)
        case (.elliptic(let key), _, _): key.verifies(signature, over: message)
        case (.ed25519(let key), _, _): key.verifies(signature, over: message)
        default: false
        }
    }

    /// The signature as it stands in a token, before base64url. Nil for an algorithm of another family, for a public key,
    /// and when OpenSSL fails.
    func signature(over message: [UInt8], with algorithm: SignatureAlgorithm) -> [UInt8]? {
        guard algorithm.family == family else { return nil }
        return switch (self, algorithm.hash, algorithm.padding) {
        case (.secret(let secret), let hash?, _): secret.code(over: message, with: hash)
        case (.rsa(let key), let hash?, let padding?): key.signature(over: message, hash: hash, padding: padding)
        case (.elliptic(let key), _, _): key.signature(over: message)
        case (.ed25519(let key), _, _): key.signature(over: message)
        default: nil
        }
    }
}
