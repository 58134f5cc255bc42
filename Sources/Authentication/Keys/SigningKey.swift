internal import Crypto
internal import CryptoExtras
internal import Foundation

/// A key that signs tokens with exactly one algorithm.
package struct SigningKey: Sendable {
    /// The key id that is written into the header ("kid").
    package let id: String?
    package let algorithm: SignatureAlgorithm
    /// What verifies what this key signs.
    package let verificationKey: VerificationKey
    private let material: Material

    enum Material: Sendable {
        case secret(SymmetricKey)
        case rsa(_RSA.Signing.PrivateKey)
        case p256(P256.Signing.PrivateKey)
        case p384(P384.Signing.PrivateKey)
        case p521(P521.Signing.PrivateKey)
        case ed25519(Curve25519.Signing.PrivateKey)

        var verifying: VerificationKey.Material {
            switch self {
            case .secret(let key): .secret(key)
            case .rsa(let key): .rsa(key.publicKey)
            case .p256(let key): .p256(key.publicKey)
            case .p384(let key): .p384(key.publicKey)
            case .p521(let key): .p521(key.publicKey)
            case .ed25519(let key): .ed25519(key.publicKey)
            }
        }
    }

    private init(
        _ material: Material, id: String?, algorithm: SignatureAlgorithm?, place: String
    ) throws(KeyError) {
        // What a node would refuse to verify with is not signed with either.
        verificationKey = try VerificationKey(
            id: id, algorithm: algorithm, place: place, material: material.verifying)
        self.id = id
        self.algorithm = verificationKey.algorithm
        self.material = material
    }

    /// A secret of at least 32 bytes, for HMAC.
    package init(
        secret: [UInt8], id: String? = nil, algorithm: SignatureAlgorithm = .hs256, place: String = "secret"
    ) throws(KeyError) {
        try self.init(.secret(SymmetricKey(data: secret)), id: id, algorithm: algorithm, place: place)
    }

    /// A private key in PEM, not encrypted: RSA, EC (P-256, P-384, P-521) or Ed25519.
    package init(
        privatePEM: String, id: String? = nil, algorithm: SignatureAlgorithm? = nil, place: String = "PEM"
    ) throws(KeyError) {
        let document = try PEMBlock(privatePEM, place: place)
        try self.init(document.privateKey(), id: id, algorithm: algorithm, place: place)
    }

    /// The signature as it stands in a token, before base64url.
    func signature(over message: [UInt8]) throws -> [UInt8] {
        switch (algorithm, material) {
        case (.hs256, .secret(let key)): Array(HMAC<SHA256>.authenticationCode(for: message, using: key))
        case (.hs384, .secret(let key)): Array(HMAC<SHA384>.authenticationCode(for: message, using: key))
        case (.hs512, .secret(let key)): Array(HMAC<SHA512>.authenticationCode(for: message, using: key))
        case (_, .rsa(let key)): try rsaSignature(over: message, with: key)
        case (_, .p256(let key)): Array(try key.signature(for: SHA256.hash(data: message)).rawRepresentation)
        case (_, .p384(let key)): Array(try key.signature(for: SHA384.hash(data: message)).rawRepresentation)
        case (_, .p521(let key)): Array(try key.signature(for: SHA512.hash(data: message)).rawRepresentation)
        case (_, .ed25519(let key)): Array(try key.signature(for: message))
        // An algorithm fits its material: `VerificationKey` has refused all else.
        default: throw KeyError(verificationKey.place, .unsupportedKey)
        }
    }

    private func rsaSignature(over message: [UInt8], with key: _RSA.Signing.PrivateKey) throws -> [UInt8] {
        let signature =
            switch algorithm {
            case .rs384: try key.signature(for: SHA384.hash(data: message), padding: .insecurePKCS1v1_5)
            case .rs512: try key.signature(for: SHA512.hash(data: message), padding: .insecurePKCS1v1_5)
            case .ps256: try key.signature(for: SHA256.hash(data: message), padding: .PSS)
            case .ps384: try key.signature(for: SHA384.hash(data: message), padding: .PSS)
            case .ps512: try key.signature(for: SHA512.hash(data: message), padding: .PSS)
            default: try key.signature(for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5)
            }
        return Array(signature.rawRepresentation)
    }
}
