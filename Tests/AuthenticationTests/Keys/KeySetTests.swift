import Codec
import Foundation
import Logging
import Testing

@testable import Authentication

@Suite struct KeySetTests {
    private func secret(_ text: String, id: String?, _ algorithm: SignatureAlgorithm = .hs256) throws
        -> VerificationKey
    {
        let bytes = Array((text + String(repeating: "-", count: 32)).utf8)
        return try VerificationKey(secret: bytes, id: id, algorithm: algorithm, origin: text)
    }

    @Test func byID() throws {
        let set = KeySet([try secret("one", id: "a"), try secret("two", id: "b")])
        #expect(set.problems == [])
        #expect(set.count == 2)
        #expect(try set.key(id: "a", algorithm: .hs256).origin == "one")
        #expect(try set.key(id: "b", algorithm: .hs256).origin == "two")
        #expect(throws: TokenError.unknownKey) { try set.key(id: "c", algorithm: .hs256) }
        #expect(throws: TokenError.keyNotNamed) { try set.key(id: nil, algorithm: .hs256) }
        #expect(throws: TokenError.unknownKey) { try set.key(id: nil, algorithm: .hs512) }
        #expect(throws: TokenError.algorithmRefused) { try set.key(id: "a", algorithm: .hs512) }
    }

    @Test func theOnlyOneOfItsAlgorithmNeedsNoName() throws {
        let set = KeySet([try secret("one", id: "a"), try secret("two", id: nil, .hs512)])
        #expect(set.problems == [])
        #expect(try set.key(id: nil, algorithm: .hs256).origin == "one")
        #expect(try set.key(id: nil, algorithm: .hs512).origin == "two")
    }

    @Test func twoOfOneID() throws {
        let set = KeySet([try secret("one", id: "a"), try secret("two", id: "a")])
        #expect(set.problems == [KeyError("two", .duplicateKeyID)])
        #expect(set.count == 1)
        #expect(try set.key(id: "a", algorithm: .hs256).origin == "one")
        #expect(try set.key(id: nil, algorithm: .hs256).origin == "one")
    }

    @Test func anUnnamedKeyBesideAnother() throws {
        let set = KeySet([try secret("one", id: nil), try secret("two", id: "b")])
        #expect(set.problems == [KeyError("one", .unreachable(.hs256))])
        #expect(set.count == 1)
        #expect(throws: TokenError.keyNotNamed) { try set.key(id: nil, algorithm: .hs256) }
    }

    @Test func configuredKeysWithAProblemStopTheStart() {
        let one = String(repeating: "1", count: 32)
        let two = String(repeating: "2", count: 32)
        #expect(throws: KeyError("secret", .unreachable(.hs256))) {
            try Authenticator(
                sources: [KeySource(.secret(one)), KeySource(.secret(two))], logger: Logger(label: "test"))
        }
        #expect(throws: KeyError("secret \"a\"", .duplicateKeyID)) {
            try Authenticator(
                sources: [KeySource(.secret(one), id: "a"), KeySource(.secret(two), id: "a")],
                logger: Logger(label: "test"))
        }
    }
}

@Suite struct JWKSetTests {
    private func parse(_ text: String, acceptsSecrets: Bool = false) throws(KeyError) -> JWKSet {
        try JWKSet(parsing: Array(text.utf8), origin: "here", acceptsSecrets: acceptsSecrets)
    }

    @Test func theGoodOnes() throws {
        let loaded = try KeySource(.jwksFile(Fixtures.path("jwks.json"))).load()
        #expect(loaded.problems == [])
        #expect(loaded.keys.map(\.id) == ["rs256", "es256", "es384", "es512", "eddsa", "hs256"])
        #expect(loaded.keys.map(\.algorithm) == [.rs256, .es256, .es384, .es512, .edDSA, .hs256])
        let fixtures = try Fixtures.load()
        let verifier = TokenVerifier(keys: KeySet(loaded.keys))
        for name in ["RS256", "ES256", "ES384", "ES512", "EdDSA", "HS256"] {
            let token = try #require(fixtures.tokens[name]).connection
            #expect(try verifier.verifyConnection(token, now: testNow).user == "ada")
        }
    }

    @Test func theBadOnesAreLeftOutEachWithItsReason() throws {
        let source = KeySource(.jwksFile(Fixtures.path("jwks-bad.json")))
        let loaded = try source.load()
        #expect(loaded.keys.map(\.id) == ["rs256", "es256", "es384", "es512", "eddsa", "hs256"])
        #expect(
            loaded.problems.map(\.reason) == [
                .notAnObject, .member("kty"), .member("n"), .rsaSize(bits: 1024), .algorithmMissing(.rsa),
                .notForSignatures, .notForSignatures, .algorithmMismatch(.es256, .rsa), .algorithmUnknown,
                .unsupportedKey, .privateMember, .unsupportedKey, .unsupportedKey, .member("x"), .unsupportedKey,
                .unsupportedKey, .secretTooShort(bytes: 5), .unsupportedKey,
            ])
        #expect(loaded.problems.map(\.origin) == (1...18).map { "\(source.origin), key \($0)" })
    }

    @Test func theSourceMaySayTheAlgorithmOfKeysThatDoNot() throws {
        let source = KeySource(.jwksFile(Fixtures.path("jwks-bad.json")), algorithm: .rs384)
        let keys = try source.load().keys
        #expect(keys.first { $0.id == "no-algorithm" }?.algorithm == .rs384)
        #expect(keys.first { $0.id == "es256" }?.algorithm == .es256)
    }

    @Test func secretsOnlyFromFiles() throws {
        let text = try String(contentsOfFile: Fixtures.path("jwks.json"), encoding: .utf8)
        let set = try parse(text)
        #expect(set.keys.count == 5)
        #expect(set.problems.map(\.reason) == [.secretFromNetwork])
    }

    @Test(arguments: [
        "", "[]", "{}", #"{"keys":{}}"#, #"{"keys":7}"#, #"{"keys":[]"#, #"{"keys":[],"keys":[]}"#, "<html>", "null",
    ])
    func noSets(text: String) { #expect(throws: KeyError("here", .notJWKS)) { try parse(text) } }

    @Test func anEmptySetIsOne() throws { #expect(try parse(#"{"keys":[]}"#).keys.isEmpty) }

    @Test func tooMany() throws {
        func set(_ count: Int) -> String {
            #"{"keys":["# + Array(repeating: "1", count: count).joined(separator: ",") + "]}"
        }
        #expect(try parse(set(256)).problems.count == 256)
        #expect(throws: KeyError("here", .tooManyKeys(257))) { try parse(set(257)) }
    }

    @Test func memberTwice() throws {
        let problems = try parse(#"{"keys":[{"kty":"oct","kty":"RSA","k":"AAAA"}]}"#, acceptsSecrets: true).problems
        #expect(problems.map(\.reason) == [.notAnObject])
    }
}
