internal import COpenSSL

/// The curves of ECDSA in tokens (RFC 7518 3.4), and keys on them.
enum EllipticCurve: CaseIterable, Sendable {
    case p256
    case p384
    case p521

    /// By its name in a JWK (RFC 7518 6.2.1.1).
    init?(name: String) {
        switch name {
        case "P-256": self = .p256
        case "P-384": self = .p384
        case "P-521": self = .p521
        default: return nil
        }
    }

    /// How long a coordinate, a private key, and each half of a signature is.
    var byteCount: Int {
        switch self {
        case .p256: 32
        case .p384: 48
        case .p521: 66
        }
    }

    /// The only hash function that tokens have with it.
    var hash: HashFunction {
        switch self {
        case .p256: .sha256
        case .p384: .sha384
        case .p521: .sha512
        }
    }

    var family: SignatureAlgorithm.Family {
        switch self {
        case .p256: .p256
        case .p384: .p384
        case .p521: .p521
        }
    }

    /// As OpenSSL names it (SEC 2, and X9.62 for the first).
    fileprivate var group: String {
        switch self {
        case .p256: "prime256v1"
        case .p384: "secp384r1"
        case .p521: "secp521r1"
        }
    }

    private var identifier: Int32 {
        switch self {
        case .p256: NID_X9_62_prime256v1
        case .p384: NID_secp384r1
        case .p521: NID_secp521r1
        }
    }

    /// The public point of a private key, uncompressed (SEC 1 2.3.3): files may leave it out. Nil for infinity, the point of 0.
    fileprivate func point(of scalar: [UInt8]) -> [UInt8]? {
        ErrorQueue.emptied {
            guard let group = EC_GROUP_new_by_curve_name(identifier) else { return nil }
            defer { EC_GROUP_free(group) }
            guard let number = BN_bin2bn(scalar, Int32(clamping: scalar.count), nil) else { return nil }
            defer { BN_clear_free(number) }
            guard let point = EC_POINT_new(group) else { return nil }
            defer { EC_POINT_free(point) }
            var bytes = [UInt8](repeating: 0, count: 1 + 2 * byteCount)
            guard EC_POINT_mul(group, point, number, nil, nil, nil) == 1,
                EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, &bytes, bytes.count, nil)
                    == bytes.count
            else { return nil }
            return bytes
        }
    }
}

/// A key on one of the curves: a public one, or a private one with its public part.
struct EllipticKey: Sendable {
    let curve: EllipticCurve
    private let key: EVPKey

    /// A public key. Nil unless both coordinates have the size of the curve and lie on it.
    init?(_ curve: EllipticCurve, x: [UInt8], y: [UInt8]) {
        guard x.count == curve.byteCount, y.count == curve.byteCount else { return nil }
        self.init(curve, point: [4] + x + y, scalar: nil)
    }

    /// A private key. Nil unless it has the size of the curve and is from 1 to n - 1.
    init?(_ curve: EllipticCurve, scalar: [UInt8]) {
        guard scalar.count == curve.byteCount, let point = curve.point(of: scalar) else { return nil }
        self.init(curve, point: point, scalar: scalar)
    }

    private init?(_ curve: EllipticCurve, point: [UInt8], scalar: [UInt8]?) {
        var parameters = KeyParameters()
        parameters.add("group", text: curve.group)
        parameters.add("pub", bytes: point)
        if let scalar { parameters.add("priv", number: scalar) }
        guard let key = EVPKey("EC", parameters, isPrivate: scalar != nil), key.isConsistent(isPrivate: scalar != nil)
        else { return nil }
        self.curve = curve
        self.key = key
    }

    /// - Parameter signature: r and s after each other, each of the curve's size (RFC 7518 3.4).
    func verifies(_ signature: [UInt8], over message: [UInt8]) -> Bool {
        guard let der = ECDSASignature.der(signature, curve) else { return false }
        return key.verifies(der, over: message, hash: curve.hash)
    }

    /// r and s after each other. Nil if there is no private part, or OpenSSL fails.
    func signature(over message: [UInt8]) -> [UInt8]? {
        key.signature(over: message, hash: curve.hash).flatMap { ECDSASignature.raw($0, curve) }
    }
}
