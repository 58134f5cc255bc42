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
    package let origin: String
    let material: KeyMaterial

    /// - Parameter algorithm: Nil takes the only one that fits; secrets and RSA keys fit several.
    init(id: String?, algorithm: SignatureAlgorithm?, origin: String, material: KeyMaterial) throws(KeyError) {
        let family = material.family
        guard let chosen = algorithm ?? family.onlyAlgorithm else { throw KeyError(origin, .algorithmMissing(family)) }
        guard chosen.family == family else { throw KeyError(origin, .algorithmMismatch(chosen, family)) }
        if let id, id.isEmpty || id.utf8.count > Self.maximumIDBytes { throw KeyError(origin, .keyIDTooLong) }
        // What the other kinds of keys have to be, they are once they are made.
        if case .secret(let secret) = material, secret.count < Self.minimumSecretBytes {
            throw KeyError(origin, .secretTooShort(bytes: secret.count))
        }
        self.id = id
        self.algorithm = chosen
        self.origin = origin
        self.material = material
    }

    /// A secret, for HMAC.
    package init(
        secret: [UInt8], id: String? = nil, algorithm: SignatureAlgorithm = .hs256, origin: String = "secret"
    ) throws(KeyError) {
        try self.init(id: id, algorithm: algorithm, origin: origin, material: .secret(Secret(secret)))
    }

    /// A public key in PEM: RSA, EC (P-256, P-384, P-521) or Ed25519.
    package init(
        publicPEM: String, id: String? = nil, algorithm: SignatureAlgorithm? = nil, origin: String = "PEM"
    ) throws(KeyError) {
        let document = try PEMBlock(publicPEM, origin: origin)
        try self.init(id: id, algorithm: algorithm, origin: origin, material: document.publicKey())
    }

    /// Whether the signature is right. Takes the same time for every wrong HMAC.
    func verifies(_ signature: [UInt8], over message: [UInt8]) -> Bool {
        material.verifies(signature, over: message, with: algorithm)
    }
}
