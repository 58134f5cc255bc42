/// What a token has to satisfy beside its signature.
package struct TokenRules: Equatable, Sendable {
    /// The most that clocks may disagree, in seconds.
    package static let maximumLeeway: Int64 = 60

    /// One of these has to be in "aud"; empty asks for nothing.
    package let audiences: [String]
    /// One of these has to be "iss"; empty asks for nothing.
    package let issuers: [String]
    /// How far "exp" and "nbf" may be off, in seconds, 0 to 60.
    package let leeway: Int64
    package let requiresExpiry: Bool
    /// The allowed algorithms; nil allows those the configured keys can have.
    package let algorithms: Set<SignatureAlgorithm>?

    package init(
        audiences: [String] = [], issuers: [String] = [], leeway: Int64 = 30, requiresExpiry: Bool = true,
        algorithms: Set<SignatureAlgorithm>? = nil
    ) throws(TokenRulesError) {
        guard (0...Self.maximumLeeway).contains(leeway) else { throw .leeway(leeway) }
        guard !audiences.contains(""), !issuers.contains("") else { throw .emptyName }
        if let algorithms, algorithms.isEmpty { throw .noAlgorithm }
        self.audiences = audiences
        self.issuers = issuers
        self.leeway = leeway
        self.requiresExpiry = requiresExpiry
        self.algorithms = algorithms
    }

    /// No audience, no issuer, 30 s, expiry required.
    package static let standard = TokenRules(standard: ())

    private init(standard: Void) {
        audiences = []
        issuers = []
        leeway = 30
        requiresExpiry = true
        algorithms = nil
    }
}

/// Why rules cannot be followed.
package enum TokenRulesError: Error, Equatable, Sendable, CustomStringConvertible {
    case leeway(Int64)
    case emptyName
    case noAlgorithm

    package var description: String {
        switch self {
        case .leeway(let seconds): "a leeway is 0 to \(TokenRules.maximumLeeway) s, not \(seconds) s"
        case .emptyName: "an audience or issuer needs at least 1 character"
        case .noAlgorithm: "a list of algorithms without one allows no token"
        }
    }
}
