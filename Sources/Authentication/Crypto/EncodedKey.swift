/// Reads keys in the structures that PEM files hold. All of a structure is read, and anything behind it or left in it makes it a
/// damaged one.
enum EncodedKey {
    /// Which key an AlgorithmIdentifier announces (RFC 5280 4.1.1.2). OpenSSL never sees the structure, so there are no curves
    /// but those that have a name here, and nothing that could ask for a passphrase.
    private enum Kind {
        case rsa
        case elliptic(EllipticCurve)
        case ed25519

        init?(_ identifier: DERReader?) {
            guard var reader = identifier, let object = reader.content(0x06).map({ Array($0) }) else { return nil }
            switch object {
            case Self.rsaObject:
                guard reader.content(0x05)?.isEmpty == true, reader.isAtEnd else { return nil }
                self = .rsa
            case Self.pssObject:
                // An RSA key that is meant for PSS alone (RFC 4055 1.2). What its parameters say beyond that is left out: the
                // algorithm that the key is configured with decides.
                self = .rsa
            case Self.ellipticObject:
                guard let curve = reader.content(0x06).flatMap({ EllipticCurve(object: Array($0)) }), reader.isAtEnd
                else { return nil }
                self = .elliptic(curve)
            case Self.ed25519Object:
                guard reader.isAtEnd else { return nil }
                self = .ed25519
            default: return nil
            }
        }

        /// rsaEncryption: 1.2.840.113549.1.1.1 (RFC 8017 A.1).
        private static let rsaObject: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]
        /// id-RSASSA-PSS: 1.2.840.113549.1.1.10 (RFC 8017 A.2.3).
        private static let pssObject: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A]
        /// id-ecPublicKey: 1.2.840.10045.2.1 (RFC 5480 2.1.1).
        private static let ellipticObject: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]
        /// id-Ed25519: 1.3.101.112 (RFC 8410 3).
        private static let ed25519Object: [UInt8] = [0x2B, 0x65, 0x70]
    }

    /// SubjectPublicKeyInfo (RFC 5280 4.1.2.7): "PUBLIC KEY".
    ///
    /// - Throws: `.rsaSize`, or `.unsupportedKey` for everything else that is wrong.
    static func publicKeyInfo(_ der: [UInt8]) throws(KeyError.Reason) -> KeyMaterial {
        var reader = DERReader(der)
        guard var info = reader.sequence(), reader.isAtEnd, let kind = Kind(info.sequence()), let key = info.bits(),
            info.isAtEnd
        else { throw .unsupportedKey }
        switch kind {
        case .rsa: return try rsaPublicKey(key)
        case .elliptic(let curve): if let key = point(key, on: curve) { return .elliptic(key) }
        case .ed25519: if let key = Ed25519Key(public: key) { return .ed25519(key) }
        }
        throw .unsupportedKey
    }

    /// RSAPublicKey of PKCS #1 (RFC 8017 A.1.1): "RSA PUBLIC KEY".
    ///
    /// - Throws: See `publicKeyInfo`.
    static func rsaPublicKey(_ der: [UInt8]) throws(KeyError.Reason) -> KeyMaterial {
        var reader = DERReader(der)
        guard var numbers = reader.sequence(), reader.isAtEnd, let modulus = numbers.number(),
            let exponent = numbers.number(), numbers.isAtEnd
        else { throw .unsupportedKey }
        return .rsa(try RSAKey(modulus: modulus, exponent: exponent))
    }

    /// PrivateKeyInfo of PKCS #8 (RFC 5208 5), without encryption: "PRIVATE KEY".
    ///
    /// - Throws: See `publicKeyInfo`.
    static func privateKeyInfo(_ der: [UInt8]) throws(KeyError.Reason) -> KeyMaterial {
        var reader = DERReader(der)
        guard var info = reader.sequence(), reader.isAtEnd, info.number() == [0], let kind = Kind(info.sequence()),
            let key = info.octets()
        else { throw .unsupportedKey }
        // Attributes, which say nothing about the key itself.
        _ = info.tagged(0)
        guard info.isAtEnd else { throw .unsupportedKey }
        switch kind {
        case .rsa: return try rsaPrivateKey(key)
        case .elliptic(let curve): return try ellipticPrivateKey(key, on: curve)
        case .ed25519:
            // One more OCTET STRING (RFC 8410 7).
            var inner = DERReader(key)
            if let seed = inner.octets(), inner.isAtEnd, let key = Ed25519Key(private: seed) { return .ed25519(key) }
        }
        throw .unsupportedKey
    }

    /// RSAPrivateKey of PKCS #1 with two primes (RFC 8017 A.1.2): "RSA PRIVATE KEY".
    ///
    /// - Throws: See `publicKeyInfo`.
    static func rsaPrivateKey(_ der: [UInt8]) throws(KeyError.Reason) -> KeyMaterial {
        var reader = DERReader(der)
        guard var numbers = reader.sequence(), reader.isAtEnd, numbers.number() == [0],
            let modulus = numbers.number(), let exponent = numbers.number(), let privateExponent = numbers.number(),
            let prime1 = numbers.number(), let prime2 = numbers.number(), let exponent1 = numbers.number(),
            let exponent2 = numbers.number(), let coefficient = numbers.number(), numbers.isAtEnd
        else { throw .unsupportedKey }
        let secret = RSAKey.PrivateNumbers(
            exponent: privateExponent, prime1: prime1, prime2: prime2, exponent1: exponent1, exponent2: exponent2,
            coefficient: coefficient)
        return .rsa(try RSAKey(modulus: modulus, exponent: exponent, private: secret))
    }

    /// ECPrivateKey of SEC 1 (RFC 5915 3): "EC PRIVATE KEY". It may leave out the curve if what it lies in names it, and the
    /// public part, which is computed.
    ///
    /// - Throws: See `publicKeyInfo`.
    static func ellipticPrivateKey(
        _ der: [UInt8], on outer: EllipticCurve? = nil
    ) throws(KeyError.Reason) -> KeyMaterial {
        var reader = DERReader(der)
        guard var parts = reader.sequence(), reader.isAtEnd, parts.number() == [1], let scalar = parts.octets()
        else { throw .unsupportedKey }
        var curve = outer
        if var parameters = parts.tagged(0) {
            guard let named = parameters.content(0x06).flatMap({ EllipticCurve(object: Array($0)) }),
                parameters.isAtEnd, outer == nil || named == outer
            else { throw .unsupportedKey }
            curve = named
        }
        _ = parts.tagged(1)
        guard parts.isAtEnd, let curve, let key = EllipticKey(curve, scalar: scalar) else { throw .unsupportedKey }
        return .elliptic(key)
    }

    /// A point in its uncompressed form (SEC 1 2.3.4), the only one that has both coordinates.
    private static func point(_ bytes: [UInt8], on curve: EllipticCurve) -> EllipticKey? {
        guard bytes.first == 4, bytes.count == 1 + 2 * curve.byteCount else { return nil }
        let coordinates = bytes.dropFirst()
        return EllipticKey(
            curve, x: Array(coordinates.prefix(curve.byteCount)), y: Array(coordinates.suffix(curve.byteCount)))
    }
}

extension EllipticCurve {
    /// By the content of its object identifier (RFC 5480 2.1.1.1).
    fileprivate init?(object: [UInt8]) {
        switch object {
        case [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]: self = .p256
        case [0x2B, 0x81, 0x04, 0x00, 0x22]: self = .p384
        case [0x2B, 0x81, 0x04, 0x00, 0x23]: self = .p521
        default: return nil
        }
    }
}
