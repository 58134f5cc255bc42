import Foundation
import Testing

@testable import Authentication

/// What Fixtures/make.py has made.
struct Fixtures: Decodable {
    struct Key: Decodable {
        let `private`: String
        let `public`: String
        let traditional: String?
        let pkcs1: String?
    }

    struct Tokens: Decodable {
        let connection: String
        let subscription: String
    }

    let secret: String
    let keys: [String: Key]
    let tokens: [String: Tokens]

    static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures")

    static func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

    static func load() throws -> Fixtures {
        try JSONDecoder().decode(
            Fixtures.self, from: Data(contentsOf: directory.appendingPathComponent("fixtures.json")))
    }

    func key(_ name: String) throws -> Key { try #require(keys[name]) }

    /// The name of the fixture key of an algorithm; nil for secrets.
    static func keyName(of algorithm: SignatureAlgorithm) -> String? {
        switch algorithm.family {
        case .secret: nil
        case .rsa: "rsa"
        case .p256: "p256"
        case .p384: "p384"
        case .p521: "p521"
        case .ed25519: "ed25519"
        }
    }

    func signingKey(_ algorithm: SignatureAlgorithm, id: String? = nil) throws -> SigningKey {
        guard let name = Self.keyName(of: algorithm) else {
            return try SigningKey(secret: Array(secret.utf8), id: id, algorithm: algorithm)
        }
        return try SigningKey(privatePEM: key(name).private, id: id, algorithm: algorithm)
    }

    func verificationKey(_ algorithm: SignatureAlgorithm, id: String? = nil) throws -> VerificationKey {
        guard let name = Self.keyName(of: algorithm) else {
            return try VerificationKey(secret: Array(secret.utf8), id: id, algorithm: algorithm)
        }
        return try VerificationKey(publicPEM: key(name).public, id: id, algorithm: algorithm)
    }
}

/// Seconds since 1970 in all tests.
let testNow: Int64 = 1_800_000_000

/// Makes tokens as nobody should.
struct Forger {
    let key: SigningKey

    /// A secret that tests know.
    static let secret = Array("0123456789abcdef0123456789abcdef".utf8)

    init(_ key: SigningKey) { self.key = key }

    init() throws { key = try SigningKey(secret: Self.secret) }

    var verifier: TokenVerifier { TokenVerifier(keys: KeySet([key.verificationKey])) }

    /// Header and claims as they are given, and a right signature over them.
    func token(header: String? = nil, _ claims: String) throws -> String {
        let header = header ?? #"{"alg":"\#(key.algorithm.rawValue)"}"#
        let signed = Base64URL.encode(Array(header.utf8)) + "." + Base64URL.encode(Array(claims.utf8))
        return signed + "." + Base64URL.encode(try key.signature(over: Array(signed.utf8)))
    }

    static let claims = #"{"sub":"ada","exp":\#(testNow + 60)}"#

    /// The error for claims with a right signature.
    func refusal(claims: String) throws -> TokenError? {
        refusal(of: try token(claims))
    }

    func refusal(of token: String) -> TokenError? {
        do {
            _ = try verifier.verifyConnection(token, now: testNow)
            return nil
        } catch {
            return error
        }
    }

    func accepts(_ claims: String) throws -> ConnectionClaims {
        try verifier.verifyConnection(token(claims), now: testNow)
    }
}
