/// How a token is signed (RFC 7518 3.1, RFC 8037 3.1). "none" is not among them, so nothing can ask for it.
package enum SignatureAlgorithm: String, CaseIterable, Sendable, CustomStringConvertible {
    case hs256 = "HS256"
    case hs384 = "HS384"
    case hs512 = "HS512"
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case es512 = "ES512"
    case edDSA = "EdDSA"

    /// The algorithm of a name as it is written in headers, keys and configurations. Names are case-sensitive
    /// (RFC 7515 4.1.1). "Ed25519" is the newer name of the only EdDSA curve there is here (RFC 9864 2.2).
    package init?(name: String) {
        if name == "Ed25519" {
            self = .edDSA
        } else {
            self.init(rawValue: name)
        }
    }

    package var description: String { rawValue }

    /// The kind of key an algorithm needs.
    package enum Family: String, Sendable, CustomStringConvertible {
        case secret
        case rsa
        case p256
        case p384
        case p521
        case ed25519

        package var description: String {
            switch self {
            case .secret: "secret"
            case .rsa: "RSA key"
            case .p256: "EC key on P-256"
            case .p384: "EC key on P-384"
            case .p521: "EC key on P-521"
            case .ed25519: "Ed25519 key"
            }
        }

        /// The one algorithm this kind of key can have, if there is only one.
        package var onlyAlgorithm: SignatureAlgorithm? {
            switch self {
            case .secret, .rsa: nil
            case .p256: .es256
            case .p384: .es384
            case .p521: .es512
            case .ed25519: .edDSA
            }
        }
    }

    package var family: Family {
        switch self {
        case .hs256, .hs384, .hs512: .secret
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512: .rsa
        case .es256: .p256
        case .es384: .p384
        case .es512: .p521
        case .edDSA: .ed25519
        }
    }

    /// All whose verifying key is public: what a JWKS that came over the network may hold.
    package static let asymmetric = Set(allCases.filter { $0.family != .secret })
}
