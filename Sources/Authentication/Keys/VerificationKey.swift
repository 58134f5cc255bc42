internal import Crypto
internal import CryptoExtras
internal import Foundation

/// A key that verifies signatures of exactly one algorithm.
package struct VerificationKey: Sendable {
    /// The shortest secret, in bytes: what HMAC-SHA-256 is worth (RFC 7518 3.2).
    package static let minimumSecretBytes = 32
    /// Below is breakable; above, verifying takes longer than a stranger may ask for.
    package static let rsaBits = 2048...8192
    /// The longest key id ("kid"), in bytes.
    package static let maximumIDBytes = 255

    /// The key id tokens name it by ("kid").
    package let id: String?
    package let algorithm: SignatureAlgorithm
    /// Where it came from, for operators.
    package let place: String
    let material: Material

    /// The parts of a key as the cryptography takes them.
    enum Material: Sendable {
        case secret(SymmetricKey)
        case rsa(_RSA.Signing.PublicKey)
        case p256(P256.Signing.PublicKey)
        case p384(P384.Signing.PublicKey)
        case p521(P521.Signing.PublicKey)
        case ed25519(Curve25519.Signing.PublicKey)

        var family: SignatureAlgorithm.Family {
            switch self {
            case .secret: .secret
            case .rsa: .rsa
            case .p256: .p256
            case .p384: .p384
            case .p521: .p521
            case .ed25519: .ed25519
            }
        }
    }

    /// - Parameter algorithm: Nil takes the only one that fits; secrets and RSA keys fit several.
    init(id: String?, algorithm: SignatureAlgorithm?, place: String, material: Material) throws(KeyError) {
        let family = material.family
        guard let chosen = algorithm ?? family.onlyAlgorithm else { throw KeyError(place, .algorithmMissing(family)) }
        guard chosen.family == family else { throw KeyError(place, .algorithmMismatch(chosen, family)) }
        if let id, id.isEmpty || id.utf8.count > Self.maximumIDBytes { throw KeyError(place, .keyIDTooLong) }
        switch material {
        case .secret(let key):
            let bytes = key.bitCount / 8
            if bytes < Self.minimumSecretBytes { throw KeyError(place, .secretTooShort(bytes: bytes)) }
        case .rsa(let key):
            let bits = key.keySizeInBits
            if !Self.rsaBits.contains(bits) { throw KeyError(place, .rsaSize(bits: bits)) }
        case .p256, .p384, .p521, .ed25519: break
        }
        self.id = id
        self.algorithm = chosen
        self.place = place
        self.material = material
    }

    /// A secret, for HMAC.
    package init(
        secret: [UInt8], id: String? = nil, algorithm: SignatureAlgorithm = .hs256, place: String = "secret"
    ) throws(KeyError) {
        try self.init(id: id, algorithm: algorithm, place: place, material: .secret(SymmetricKey(data: secret)))
    }

    /// A public key in PEM: RSA, EC (P-256, P-384, P-521) or Ed25519.
    package init(
        publicPEM: String, id: String? = nil, algorithm: SignatureAlgorithm? = nil, place: String = "PEM"
    ) throws(KeyError) {
        let document = try PEMBlock(publicPEM, place: place)
        try self.init(id: id, algorithm: algorithm, place: place, material: document.publicKey())
    }

    /// Whether the signature is right. Takes the same time for every wrong HMAC.
    func verifies(_ signature: [UInt8], over message: [UInt8]) -> Bool {
        switch (algorithm, material) {
        case (.hs256, .secret(let key)):
            HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: message, using: key)
        case (.hs384, .secret(let key)):
            HMAC<SHA384>.isValidAuthenticationCode(signature, authenticating: message, using: key)
        case (.hs512, .secret(let key)):
            HMAC<SHA512>.isValidAuthenticationCode(signature, authenticating: message, using: key)
        case (_, .rsa(let key)):
            verifiesRSA(signature, over: message, with: key)
        case (.es256, .p256(let key)):
            // The raw form, r and s after each other (RFC 7518 3.4); a DER signature has another length.
            (try? P256.Signing.ECDSASignature(rawRepresentation: signature))
                .map { key.isValidSignature($0, for: SHA256.hash(data: message)) } ?? false
        case (.es384, .p384(let key)):
            (try? P384.Signing.ECDSASignature(rawRepresentation: signature))
                .map { key.isValidSignature($0, for: SHA384.hash(data: message)) } ?? false
        case (.es512, .p521(let key)):
            (try? P521.Signing.ECDSASignature(rawRepresentation: signature))
                .map { key.isValidSignature($0, for: SHA512.hash(data: message)) } ?? false
        case (.edDSA, .ed25519(let key)):
            key.isValidSignature(signature, for: message)
        default: false
        }
    }

    private func verifiesRSA(
        _ signature: [UInt8], over message: [UInt8], with key: _RSA.Signing.PublicKey
    ) -> Bool {
        guard signature.count == (key.keySizeInBits + 7) / 8 else { return false }
        let signature = _RSA.Signing.RSASignature(rawRepresentation: signature)
        return switch algorithm {
        case .rs256: key.isValidSignature(signature, for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5)
        case .rs384: key.isValidSignature(signature, for: SHA384.hash(data: message), padding: .insecurePKCS1v1_5)
        case .rs512: key.isValidSignature(signature, for: SHA512.hash(data: message), padding: .insecurePKCS1v1_5)
        case .ps256: key.isValidSignature(signature, for: SHA256.hash(data: message), padding: .PSS)
        case .ps384: key.isValidSignature(signature, for: SHA384.hash(data: message), padding: .PSS)
        case .ps512: key.isValidSignature(signature, for: SHA512.hash(data: message), padding: .PSS)
        default: false
        }
    }
}
