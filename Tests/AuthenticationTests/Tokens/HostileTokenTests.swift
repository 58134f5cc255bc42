import Foundation
import Testing

@testable import Authentication

/// Tokens made to get in, each with what it is refused for (abuse V21). The keys of every family are configured, so that
/// a confusion of families would have something to confuse.
@Suite struct HostileTokenTests {
    private let fixtures: Fixtures
    private let verifier: TokenVerifier
    /// Signs with the secret.
    private let secret: Forger
    private let rsa: Forger
    private let p256: Forger

    init() throws {
        fixtures = try Fixtures.load()
        let all: [SignatureAlgorithm] = [.hs256, .rs256, .es256, .es384, .edDSA]
        let keys = try all.map { [fixtures] in try fixtures.verificationKey($0, id: $0.rawValue.lowercased()) }
        let rules = try TokenRules(audiences: ["carillon"], issuers: ["https://issuer.example"])
        verifier = TokenVerifier(keys: KeySet(keys), rules: rules)
        secret = Forger(try fixtures.signingKey(.hs256))
        rsa = Forger(try fixtures.signingKey(.rs256))
        p256 = Forger(try fixtures.signingKey(.es256))
    }

    private func claims(_ more: String = "") -> String {
        #"{"sub":"ada","iss":"https://issuer.example","aud":"carillon","exp":\#(testNow + 60)\#(more)}"#
    }

    private func refusal(_ token: String) -> TokenError? {
        do {
            _ = try verifier.verifyConnection(token, now: testNow)
            return nil
        } catch {
            return error
        }
    }

    private func parts(_ token: String) -> [String] { token.split(separator: ".").map(String.init) }

    @Test func theHonestOneIsAccepted() throws {
        for (forger, name) in [(secret, "HS256"), (rsa, "RS256"), (p256, "ES256")] {
            let header = #"{"alg":"\#(name)","kid":"\#(name.lowercased())","typ":"JWT"}"#
            #expect(refusal(try forger.token(header: header, claims())) == nil)
        }
    }

    @Test(arguments: ["none", "None", "NONE", "nOnE", "", "HS255", "hs256", "HS256 ", "RS1"])
    func noSuchAlgorithm(name: String) throws {
        let signed = try secret.token(header: #"{"alg":"\#(name)"}"#, claims())
        #expect(refusal(signed) == .algorithmRefused)
        let unsigned = parts(signed).prefix(2).joined(separator: ".") + "."
        #expect(refusal(unsigned) == .algorithmRefused)
    }

    @Test(arguments: ["HS256", "RS256", "ES256", "ES384", "EdDSA"])
    func emptySignature(algorithm: String) throws {
        let header = #"{"alg":"\#(algorithm)","kid":"\#(algorithm.lowercased())"}"#
        let unsigned = parts(try secret.token(header: header, claims())).prefix(2).joined(separator: ".") + "."
        #expect(refusal(unsigned) == .badSignature)
    }

    @Test func aPublicKeyIsNoSecret() throws {
        for name in ["rsa", "p256", "ed25519"] {
            let pem = try fixtures.key(name).public
            for text in [pem, pem.trimmingCharacters(in: .newlines)] {
                let forger = Forger(try SigningKey(secret: Array(text.utf8)))
                #expect(refusal(try forger.token(header: #"{"alg":"HS256"}"#, claims())) == .badSignature)
                // Where there is no secret at all, the algorithm is not even allowed.
                let alone = TokenVerifier(keys: KeySet([try fixtures.verificationKey(.rs256, id: "rs256")]))
                let token = try forger.token(header: #"{"alg":"HS256","kid":"rs256"}"#, claims())
                #expect(throws: TokenError.algorithmRefused) { try alone.verifyConnection(token, now: testNow) }
            }
        }
    }

    @Test(arguments: [
        "../../../dev/null", "/etc/passwd", "..%2f", "' or 1=1--", "http://attacker.example/jwks", "", "HS256",
        "hs256 ",
    ])
    func aKeyIDLeadsNowhere(id: String) throws {
        #expect(refusal(try secret.token(header: #"{"alg":"HS256","kid":"\#(id)"}"#, claims())) == .unknownKey)
    }

    @Test(arguments: ["7", "null", "[\"hs256\"]", "{}", "\"\(String(repeating: "k", count: 256))\""])
    func aKeyIDIsShortText(id: String) throws {
        #expect(refusal(try secret.token(header: #"{"alg":"HS256","kid":\#(id)}"#, claims())) == .unknownKey)
    }

    @Test func noKeyIDWithSeveralKeys() throws {
        let other = try VerificationKey(secret: Forger.secret, id: "other")
        let keys = KeySet([try fixtures.verificationKey(.hs256, id: "hs256"), other])
        let token = try secret.token(claims())
        #expect(throws: TokenError.keyNotNamed) { try TokenVerifier(keys: keys).verifyConnection(token, now: testNow) }
    }

    @Test func aKeyOfAnotherFamily() throws {
        #expect(refusal(try secret.token(header: #"{"alg":"HS256","kid":"rs256"}"#, claims())) == .algorithmRefused)
        #expect(refusal(try rsa.token(header: #"{"alg":"RS256","kid":"hs256"}"#, claims())) == .algorithmRefused)
        #expect(refusal(try rsa.token(header: #"{"alg":"ES256","kid":"es256"}"#, claims())) == .badSignature)
        // The right key, with an algorithm that it could compute but does not have.
        let pss = Forger(try fixtures.signingKey(.ps256))
        #expect(refusal(try pss.token(header: #"{"alg":"PS256","kid":"rs256"}"#, claims())) == .algorithmRefused)
        #expect(refusal(try pss.token(header: #"{"alg":"RS256","kid":"rs256"}"#, claims())) == .badSignature)
    }

    @Test func tooLarge() throws {
        let large = try secret.token(claims(#","info":"\#(String(repeating: "x", count: 8192))""#))
        #expect(refusal(large) == .tooLarge(bytes: large.utf8.count))
        let ends = String(repeating: "A", count: 8192)
        #expect(refusal(ends) == .malformed(.parts))
        #expect(refusal(ends + "A") == .tooLarge(bytes: 8193))
        #expect(refusal(String(repeating: ".", count: 1 << 20)) == .tooLarge(bytes: 1 << 20))
    }

    @Test func times() throws {
        let forger = secret
        func token(_ exp: Int64, _ more: String = "") throws -> String {
            try forger.token(
                #"{"iss":"https://issuer.example","aud":"carillon","exp":\#(exp)\#(more)}"#)
        }
        #expect(refusal(try token(testNow - 30)) == .expired(secondsAgo: 30))
        #expect(refusal(try token(testNow - 29)) == nil)
        #expect(refusal(try token(0)) == .expired(secondsAgo: testNow))
        #expect(refusal(try token(testNow + 60, #","nbf":\#(testNow + 31)"#)) == .notYetValid(inSeconds: 31))
        #expect(refusal(try token(testNow + 60, #","nbf":\#(testNow + 30)"#)) == nil)
    }

    @Test(arguments: [
        "-1", "\"1900000000\"", "1e16", "-1e9", "true", "[]", "99999999999999999999", "9007199254740993", "1.x", "0x7f",
    ])
    func timesThatAreNone(text: String) throws {
        let token = try secret.token(#"{"iss":"https://issuer.example","aud":"carillon","exp":\#(text)}"#)
        let error = try #require(refusal(token))
        #expect([.invalidClaim("exp", .notTime), .malformed(.payload)].contains(error))
    }

    @Test func noExpiry() throws {
        for text in [#"{"aud":"carillon"}"#, #"{"aud":"carillon","exp":null}"#] {
            #expect(refusal(try secret.token(text)) == .missingClaim("exp"))
        }
    }

    @Test func wrongAudienceAndIssuer() throws {
        func refused(_ more: String) throws -> TokenError? {
            refusal(try secret.token(#"{"exp":\#(testNow + 60)\#(more)}"#))
        }
        let issuer = #","iss":"https://issuer.example""#
        for audience in ["", #","aud":"other""#, #","aud":["a","Carillon"]"#, #","aud":[]"#, #","aud":"carillon ""#] {
            #expect(try refused(issuer + audience) == .wrongAudience)
        }
        #expect(try refused(issuer + #","aud":7"#) == .invalidClaim("aud", .notList))
        for issuer in ["", #","iss":"https://issuer.example/""#, #","iss":"""#] {
            #expect(try refused(#","aud":"carillon""# + issuer) == .wrongIssuer)
        }
        #expect(try refused(issuer + #","aud":["x","carillon"]"#) == nil)
    }

    @Test(arguments: [
        #"{"alg":"HS256","alg":"none"}"#, #"{"alg":"none","alg":"HS256"}"#, #"{"alg":"HS256","\u0061lg":"none"}"#,
        #"{"alg":"HS256","kid":"a","kid":"hs256"}"#, #"{"alg":"HS256","x":1,"x":1}"#,
    ])
    func aHeaderMemberTwice(header: String) throws {
        #expect(refusal(try secret.token(header: header, claims())) == .malformed(.memberTwice))
    }

    @Test func aClaimTwice() throws {
        #expect(refusal(try secret.token(claims(#","sub":"root""#))) == .malformed(.memberTwice))
        #expect(refusal(try secret.token(claims(#","s\u0075b":"root""#))) == .malformed(.memberTwice))
    }

    @Test(arguments: [
        (#""crit":["exp"]"#, TokenError.HeaderMember.critical), (#""crit":[]"#, .critical),
        (#""crit":null"#, .critical),
        (#""cty":"JWT""#, .contentType), (#""enc":"A256GCM""#, .encryption), (#""zip":"DEF""#, .compression),
        (#""b64":false"#, .unencoded), (#""typ":"logout+jwt""#, .type), (#""typ":7"#, .type), (#""typ":"JWE""#, .type),
    ])
    func headersThatMeanMore(member: String, named: TokenError.HeaderMember) throws {
        let token = try secret.token(header: #"{"alg":"HS256",\#(member)}"#, claims())
        #expect(refusal(token) == .headerRefused(named))
    }

    @Test func aTokenInAToken() throws {
        let inner = try secret.token(claims())
        #expect(refusal(try secret.token(inner)) == .malformed(.payload))
        #expect(refusal(try secret.token("\"\(inner)\"")) == .malformed(.payload))
        #expect(refusal(inner + "." + inner) == .malformed(.parts))
    }

    @Test func keysATokenBringsAlong() throws {
        // Signed rightly with the attacker's own key, which the header holds and points to.
        let own = Forger(try SigningKey(secret: Forger.secret))
        for more in [
            #""jwk":{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#,
            #""jku":"http://127.0.0.1:1/jwks.json""#, #""x5u":"http://127.0.0.1:1/""#, #""x5c":["MIIB"]"#,
        ] {
            #expect(refusal(try own.token(header: #"{"alg":"HS256",\#(more)}"#, claims())) == .badSignature)
        }
    }

    @Test func wrongCurve() throws {
        let p384 = Forger(try fixtures.signingKey(.es384))
        #expect(refusal(try p384.token(header: #"{"alg":"ES256","kid":"es256"}"#, claims())) == .badSignature)
        #expect(refusal(try p384.token(header: #"{"alg":"ES384","kid":"es256"}"#, claims())) == .algorithmRefused)
        #expect(refusal(try p256.token(header: #"{"alg":"ES256","kid":"es384"}"#, claims())) == .algorithmRefused)
        // The other's curve with the other's length.
        #expect(refusal(try p256.token(header: #"{"alg":"ES384","kid":"es384"}"#, claims())) == .badSignature)
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func aSignatureCutLengthenedOrChanged(algorithm: SignatureAlgorithm) throws {
        let forger = Forger(try fixtures.signingKey(algorithm))
        let token = try forger.token(Forger.claims)
        #expect(forger.refusal(of: token) == nil)
        let pieces = parts(token)
        let signature = try #require(Base64URL.decode(pieces[2].utf8))
        func with(_ changed: [UInt8]) -> TokenError? {
            forger.refusal(of: "\(pieces[0]).\(pieces[1]).\(Base64URL.encode(changed))")
        }
        for count in [0, 1, signature.count / 2, signature.count - 1] {
            #expect(with(Array(signature.prefix(count))) == .badSignature)
        }
        #expect(with(signature + [0]) == .badSignature)
        #expect(with([0] + signature) == .badSignature)
        #expect(with(signature + signature) == .badSignature)
        #expect(with([UInt8](repeating: 0, count: signature.count)) == .badSignature)
        #expect(with([UInt8](repeating: 255, count: signature.count)) == .badSignature)
        for index in stride(from: 0, to: signature.count, by: 7) {
            var changed = signature
            changed[index] ^= 0x10
            #expect(with(changed) == .badSignature)
        }
    }

    @Test(arguments: [SignatureAlgorithm.es256, .es384, .es512])
    func aSignatureInDER(algorithm: SignatureAlgorithm) throws {
        let forger = Forger(try fixtures.signingKey(algorithm))
        let pieces = parts(try forger.token(Forger.claims))
        let raw = try #require(Base64URL.decode(pieces[2].utf8))
        func integer(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
            var bytes = Array(bytes.drop { $0 == 0 })
            if let first = bytes.first, first >= 0x80 { bytes.insert(0, at: 0) }
            return [0x02, UInt8(bytes.count)] + bytes
        }
        let body = integer(raw.prefix(raw.count / 2)) + integer(raw.suffix(raw.count / 2))
        let der = [0x30] + (body.count < 128 ? [UInt8(body.count)] : [0x81, UInt8(body.count)]) + body
        #expect(forger.refusal(of: "\(pieces[0]).\(pieces[1]).\(Base64URL.encode(der))") == .badSignature)
    }

    @Test func otherSpellings() throws {
        let token = try secret.token(claims())
        let pieces = parts(token)
        #expect(refusal(token) == nil)
        #expect(refusal(token + "=") == .malformed(.encoding))
        #expect(refusal("\(pieces[0])==.\(pieces[1]).\(pieces[2])") == .malformed(.encoding))
        for space in [" ", "\n", "\t", "\u{A0}", "\0"] {
            #expect(refusal(space + token) == .malformed(.encoding))
            #expect(refusal(token + space) == .malformed(.encoding))
            #expect(refusal("\(pieces[0])\(space).\(pieces[1]).\(pieces[2])") == .malformed(.encoding))
        }
        #expect(refusal(token + ".") == .malformed(.parts))
        #expect(refusal("." + token) == .malformed(.parts))
        #expect(refusal("Bearer " + token) == .malformed(.encoding))
        for text in ["", ".", "..", "...", "a", "a.b", ".a.b", "a..b", "\(pieces[0]).\(pieces[1])"] {
            #expect(refusal(text) == .malformed(.parts))
        }
        // The last digit of the signature's 32 bytes has two bits that mean nothing; they have to be 0.
        let last = try #require(pieces[2].utf8.last)
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        let value = try #require(alphabet.firstIndex(of: last))
        let other = String(decoding: [alphabet[value | 1]], as: UTF8.self)
        #expect(refusal(String(token.dropLast()) + other) == .malformed(.encoding))
    }

    @Test func headersThatAreNone() throws {
        for header in ["", "{}", "[]", "null", #""HS256""#, #"{"alg":7}"#, #"{"alg":null}"#, #"{"alg":["HS256"]}"#] {
            let error = try #require(refusal(try secret.token(header: header, claims())))
            #expect([.malformed(.header), .malformed(.parts)].contains(error), "\(header)")
        }
        #expect(refusal(try secret.token(header: #"{"alg":"HS256"}x"#, claims())) == .malformed(.header))
        let deep = #"{"alg":"HS256","x":"# + String(repeating: "[", count: 2000) + "}"
        #expect(refusal(try secret.token(header: deep, claims())) == .malformed(.header))
    }

    @Test func bytesThatAreNoText() throws {
        let header = Base64URL.encode(Array(#"{"alg":"HS256"}"#.utf8))
        let payload = Base64URL.encode([0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D])
        let signature = Base64URL.encode(try secret.key.signature(over: Array("\(header).\(payload)".utf8)))
        #expect(refusal("\(header).\(payload).\(signature)") == .malformed(.payload))
    }

    @Test func noErrorHoldsAPieceOfTheToken() throws {
        let marker = "MARKER"
        let tokens = try [
            secret.token(header: #"{"alg":"\#(marker)"}"#, claims()),
            secret.token(header: #"{"alg":"HS256","kid":"\#(marker)"}"#, claims()),
            secret.token(claims(#","channels":["\#(marker) x"]"#)),
            secret.token(claims(#","grants":[{"match":"\#(marker)","allow":["\#(marker)"]}]"#)),
            secret.token(claims(#","client":"\#(marker)","channel":"x""#)),
            secret.token(header: #"{"alg":"HS256","typ":"\#(marker)"}"#, claims()),
        ]
        for token in tokens {
            let error = try #require(refusal(token))
            #expect(!"\(error)".contains(marker))
            #expect(!error.code.isEmpty)
        }
    }

    /// Whatever the bytes: an answer, and no crash.
    @Test func randomChanges() throws {
        var generator = SplitMix(state: 7)
        let token = Array(try secret.token(claims()).utf8)
        for _ in 0..<20_000 {
            var changed = token
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let index = Int.random(in: 0..<changed.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: changed[index] = UInt8.random(in: 0...127, using: &generator)
                case 1: changed.remove(at: index)
                default: changed.insert(UInt8.random(in: 33...126, using: &generator), at: index)
                }
            }
            if changed != token { #expect(refusal(String(decoding: changed, as: UTF8.self)) != nil) }
        }
    }
}

/// Random numbers that are the same in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
