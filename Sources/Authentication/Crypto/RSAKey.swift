/// An RSA key (RFC 8017): a public one, or a private one with its public part.
struct RSAKey: Sendable {
    /// How the block is filled that the key works on (RFC 8017 8.1 and 8.2).
    enum Padding: Sendable {
        case pkcs1
        case pss
    }

    /// What a private key has beyond the public one, in the order of RFC 8017 A.1.2.
    struct PrivateNumbers {
        let exponent: [UInt8]
        let prime1: [UInt8]
        let prime2: [UInt8]
        let exponent1: [UInt8]
        let exponent2: [UInt8]
        let coefficient: [UInt8]
    }

    /// The size of the public exponent. 1 would take every signature for its own message, and verifying takes as many
    /// multiplications as the exponent has bits: a stranger's token must not cost more.
    static let exponentBits = 2...33

    /// The size of the modulus.
    let bits: Int
    private let key: EVPKey

    /// A key of its numbers, each with its bytes from the greatest to the smallest.
    ///
    /// - Throws: `.rsaSize` if the modulus is outside of `VerificationKey.rsaBits`; `.unsupportedKey` for numbers that are
    ///   no RSA key, or one whose exponent is outside of `exponentBits`. Nothing was computed with them then.
    init(modulus: [UInt8], exponent: [UInt8], private secret: PrivateNumbers? = nil) throws(KeyError.Reason) {
        let bits = Self.bits(modulus)
        guard VerificationKey.rsaBits.contains(bits) else { throw .rsaSize(bits: bits) }
        // Both are odd: a modulus of two odd primes, and an exponent that has no factor in common with an even number.
        guard Self.isOdd(modulus), Self.isOdd(exponent), Self.exponentBits.contains(Self.bits(exponent))
        else { throw .unsupportedKey }
        var parameters = KeyParameters()
        parameters.add("n", number: modulus)
        parameters.add("e", number: exponent)
        if let secret {
            // None is greater than the modulus.
            for (name, number) in secret.named {
                guard Self.bits(number) <= bits else { throw .unsupportedKey }
                parameters.add(name, number: number)
            }
        }
        guard let key = EVPKey("RSA", parameters, isPrivate: secret != nil) else { throw .unsupportedKey }
        self.bits = bits
        self.key = key
        if secret != nil, !canVerifyItself { throw .unsupportedKey }
    }

    /// Whether the private part belongs to the public one: a signature of the one is right by the other. OpenSSL's own check
    /// looks for factors of the primes, which takes seconds for the greatest keys.
    private var canVerifyItself: Bool {
        let message = Array("pairwise consistency".utf8)
        guard let signature = signature(over: message, hash: .sha256, padding: .pkcs1) else { return false }
        return verifies(signature, over: message, hash: .sha256, padding: .pkcs1)
    }

    func verifies(_ signature: [UInt8], over message: [UInt8], hash: HashFunction, padding: Padding) -> Bool {
        // As long as the modulus (RFC 8017 8.1.2 and 8.2.2, step 1).
        guard signature.count == (bits + 7) / 8 else { return false }
        return key.verifies(signature, over: message, hash: hash, padding: padding)
    }

    /// Nil if there is no private part, or OpenSSL fails.
    func signature(over message: [UInt8], hash: HashFunction, padding: Padding) -> [UInt8]? {
        key.signature(over: message, hash: hash, padding: padding)
    }

    private static func isOdd(_ number: [UInt8]) -> Bool { number.last.map { $0 & 1 == 1 } ?? false }

    /// How many bits a number has without the zeros before it.
    private static func bits(_ number: [UInt8]) -> Int {
        let significant = number.drop { $0 == 0 }
        return significant.first.map { significant.count * 8 - $0.leadingZeroBitCount } ?? 0
    }
}

extension RSAKey.PrivateNumbers {
    /// With OpenSSL's names.
    fileprivate var named: [(StaticString, [UInt8])] {
        [
            ("d", exponent), ("rsa-factor1", prime1), ("rsa-factor2", prime2), ("rsa-exponent1", exponent1),
            ("rsa-exponent2", exponent2), ("rsa-coefficient1", coefficient),
        ]
    }
}
