/// A key that signs tokens with exactly one algorithm.
package struct SigningKey: Sendable {
    /// The key id that is written into the header ("kid").
    package let id: String?
    package let algorithm: SignatureAlgorithm
    /// What verifies what this key signs. Its material has the private part, too.
    package let verificationKey: VerificationKey

    private init(
        _ material: KeyMaterial, id: String?, algorithm: SignatureAlgorithm?, origin: String
    ) throws(KeyError) {
        // What a node would refuse to verify with is not signed with either.
        verificationKey = try VerificationKey(id: id, algorithm: algorithm, origin: origin, material: material)
        self.id = id
        self.algorithm = verificationKey.algorithm
    }

    /// A secret of at least 32 bytes, for HMAC.
    package init(
        secret: [UInt8], id: String? = nil, algorithm: SignatureAlgorithm = .hs256, origin: String = "secret"
    ) throws(KeyError) {
        try self.init(.secret(Secret(secret)), id: id, algorithm: algorithm, origin: origin)
    }

    /// A private key in PEM, not encrypted: RSA, EC (P-256, P-384, P-521) or Ed25519.
    package init(
        privatePEM: String, id: String? = nil, algorithm: SignatureAlgorithm? = nil, origin: String = "PEM"
    ) throws(KeyError) {
        let document = try PEMBlock(privatePEM, origin: origin)
        try self.init(document.privateKey(), id: id, algorithm: algorithm, origin: origin)
    }

    /// The signature as it stands in a token, before base64url.
    func signature(over message: [UInt8]) throws(KeyError) -> [UInt8] {
        guard let signature = verificationKey.material.signature(over: message, with: algorithm) else {
            throw KeyError(verificationKey.origin, .notSigned)
        }
        return signature
    }
}
