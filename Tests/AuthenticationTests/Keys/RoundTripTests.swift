import Codec
import Testing

@testable import Authentication

/// Every algorithm, against itself and against another implementation.
@Suite struct RoundTripTests {
    private let fixtures: Fixtures

    init() throws { fixtures = try Fixtures.load() }

    @Test(arguments: SignatureAlgorithm.allCases)
    func oursVerifiesWithThePublicKey(algorithm: SignatureAlgorithm) throws {
        let maker = TokenMaker(key: try fixtures.signingKey(algorithm, id: "k"))
        let token = try maker.make(TokenContents(user: "ada", expiresAt: testNow + 60))
        let verifier = TokenVerifier(keys: KeySet([try fixtures.verificationKey(algorithm, id: "k")]))
        #expect(try verifier.verifyConnection(token, now: testNow).user == "ada")
    }

    @Test(arguments: SignatureAlgorithm.allCases.map(\.rawValue) + ["Ed25519"])
    func theirsVerifies(name: String) throws {
        let algorithm = try #require(SignatureAlgorithm(name: name))
        let tokens = try #require(fixtures.tokens[name])
        let key = try fixtures.verificationKey(algorithm, id: name.lowercased())
        let rules = try TokenRules(audiences: ["carillon"], issuers: ["https://issuer.example"])
        let claims = try TokenVerifier(keys: KeySet([key]), rules: rules)
            .verifyConnection(tokens.connection, now: testNow)
        #expect(claims.user == "ada")
        #expect(claims.id == "token-1")
        #expect(claims.info == Array(#"{"name": "Ada L\u00f6velace", "level": 1.5}"#.utf8))
        #expect(claims.channels.map { "\($0)" } == ["news", "user:ada"])
        #expect(claims.grants.first?.allow == [.subscribe, .publish])
        let subscription = try TokenVerifier(keys: KeySet([key])).verifySubscription(tokens.subscription, now: testNow)
        #expect("\(subscription.channel)" == "chat:1")
        #expect(subscription.expiresAt == nil)
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func theirsWithAnotherKeyDoesNot(algorithm: SignatureAlgorithm) throws {
        let token = try #require(fixtures.tokens[algorithm.rawValue]).connection
        for other in SignatureAlgorithm.allCases where other != algorithm {
            let key = try fixtures.verificationKey(other, id: algorithm.rawValue.lowercased())
            let verifier = TokenVerifier(keys: KeySet([key]))
            #expect(throws: TokenError.algorithmRefused) { try verifier.verifyConnection(token, now: testNow) }
        }
    }

    @Test func privateKeysInTheOldForm() throws {
        for (name, algorithm) in [("rsa", SignatureAlgorithm.rs256), ("p256", .es256), ("p384", .es384)] {
            let pem = try #require(try fixtures.key(name).traditional)
            let key = try SigningKey(privatePEM: pem, algorithm: algorithm)
            let token = try TokenMaker(key: key).make(TokenContents(expiresAt: testNow + 60))
            let verifier = TokenVerifier(keys: KeySet([try fixtures.verificationKey(algorithm)]))
            #expect(throws: Never.self) { try verifier.verifyConnection(token, now: testNow) }
        }
    }

    @Test func rsaPublicKeysInTheOldForm() throws {
        let pem = try #require(try fixtures.key("rsa").pkcs1)
        #expect(try VerificationKey(publicPEM: pem, algorithm: .rs256).algorithm == .rs256)
    }
}
