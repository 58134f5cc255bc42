import Codec
import Testing

@testable import Authentication

/// Tokens that a shared key has signed: for requests of applications and for their clients. Each hostile one with what it is refused for.
@Suite struct AccessKeyTokenTests {
    static let key = Array("0123456789abcdef0123456789abcdef".utf8)
    static let old = Array("fedcba9876543210fedcba9876543210".utf8)
    static let now: Int64 = 1_800_000_000
    static let right = #"{"aud":"https://x/client/?hub=chat","exp":1800000060,"nameid":"ann"}"#

    static func token(
        _ claims: String = right, header: String = #"{"alg":"HS256","typ":"JWT"}"#, by key: [UInt8] = key,
        with hash: HashFunction = .sha256
    ) -> String {
        let signed = Base64URL.encode(Array(header.utf8)) + "." + Base64URL.encode(Array(claims.utf8))
        let code = Secret(key).code(over: Array(signed.utf8), with: hash) ?? []
        return signed + "." + Base64URL.encode(code)
    }

    static func refusal(_ token: String, keys: [[UInt8]] = [key, old], now: Int64 = now) -> TokenError? {
        do {
            _ = try HubClientClaims(AccessKeyToken(token, keys: keys, now: now))
            return nil
        } catch {
            return error
        }
    }

    @Test func theHonestOneIsAccepted() throws {
        #expect(Self.refusal(Self.token()) == nil)
        #expect(Self.refusal(Self.token(by: Self.old)) == nil)
        // The name of a key is that of a key elsewhere, as long as it is a name.
        #expect(Self.refusal(Self.token(header: #"{"alg":"HS256","kid":"../../dev/null"}"#)) == nil)
        let made = try #require(
            AccessKeyToken.signed(
                by: Self.key, audience: "https://x/\"", user: "Jos\u{E9}\n", issuedAt: Self.now, expiresAt: Self.now + 1
            ))
        let read = try AccessKeyToken(made, keys: [Self.key], now: Self.now)
        #expect(read.audiences == ["https://x/\""] && read.claims.raw("nameid") != nil)
        #expect(throws: TokenError.self) { try AccessKeyToken(made, keys: [Self.key], now: Self.now + 31) }
    }

    static let headers: [(header: String, refusal: TokenError)] = [
        (#"{"alg":"none"}"#, .algorithmRefused), (#"{"alg":"NONE"}"#, .algorithmRefused),
        (#"{"alg":"hs256"}"#, .algorithmRefused), (#"{"alg":"HS256 "}"#, .algorithmRefused),
        (#"{"alg":"HS384"}"#, .algorithmRefused), (#"{"alg":"HS512"}"#, .algorithmRefused),
        (#"{"alg":"RS256"}"#, .algorithmRefused), (#"{"alg":"ES256"}"#, .algorithmRefused),
        (#"{"alg":"EdDSA"}"#, .algorithmRefused), (#"{"alg":""}"#, .algorithmRefused),
        (#"{"alg":["HS256"]}"#, .malformed(.header)), (#"{"alg":null}"#, .malformed(.header)),
        (#"{"typ":"JWT"}"#, .malformed(.header)), ("{}", .malformed(.header)), ("[]", .malformed(.header)),
        ("", .malformed(.parts)), ("x", .malformed(.header)), (#"{"alg":"HS256""#, .malformed(.header)),
        (#"{"alg":"HS256","alg":"HS256"}"#, .malformed(.memberTwice)),
        (#"{"alg":"none","\u0061lg":"HS256"}"#, .malformed(.memberTwice)),
        (#"{"alg":"HS256","crit":["exp"]}"#, .headerRefused(.critical)),
        (#"{"alg":"HS256","zip":"DEF"}"#, .headerRefused(.compression)),
        (#"{"alg":"HS256","b64":false}"#, .headerRefused(.unencoded)),
        (#"{"alg":"HS256","enc":"A256GCM"}"#, .headerRefused(.encryption)),
        (#"{"alg":"HS256","cty":"JWT"}"#, .headerRefused(.contentType)),
        (#"{"alg":"HS256","typ":"logout+jwt"}"#, .headerRefused(.type)),
        (#"{"alg":"HS256","kid":1}"#, .unknownKey),
        (#"{"alg":"HS256","x":\#(String(repeating: "[", count: 500))}"#, .malformed(.header)),
    ]

    @Test(arguments: headers) func headersThatAreRefused(_ header: String, _ refusal: TokenError) {
        #expect(Self.refusal(Self.token(header: header)) == refusal)
    }

    static let claims: [(claims: String, refusal: TokenError)] = [
        (#"{"aud":"x","exp":1799999970}"#, .expired(secondsAgo: 30)),
        (#"{"aud":"x","exp":0}"#, .expired(secondsAgo: now)),
        (#"{"aud":"x"}"#, .missingClaim("exp")), (#"{"aud":"x","exp":null}"#, .missingClaim("exp")),
        (#"{"aud":"x","exp":"1800000060"}"#, .invalidClaim("exp", .notTime)),
        (#"{"aud":"x","exp":-1}"#, .invalidClaim("exp", .notTime)),
        (#"{"aud":"x","exp":1e400}"#, .invalidClaim("exp", .notTime)),
        (#"{"aud":"x","exp":99999999999999999999}"#, .invalidClaim("exp", .notTime)),
        (#"{"aud":"x","exp":1800000060,"nbf":1800000031}"#, .notYetValid(inSeconds: 31)),
        (#"{"aud":"x","exp":1800000060,"nbf":"now"}"#, .invalidClaim("nbf", .notTime)),
        (#"{"exp":1800000060}"#, .missingClaim("aud")), (#"{"exp":1800000060,"aud":null}"#, .missingClaim("aud")),
        (#"{"exp":1800000060,"aud":[]}"#, .missingClaim("aud")),
        (#"{"exp":1800000060,"aud":7}"#, .invalidClaim("aud", .notList)),
        (#"{"exp":1800000060,"aud":{"a":"x"}}"#, .invalidClaim("aud", .notList)),
        (#"{"aud":"x","exp":1,"exp":1800000060}"#, .malformed(.memberTwice)),
        (#"{"aud":"x","\u0065xp":1,"exp":1800000060}"#, .malformed(.memberTwice)),
        ("[]", .malformed(.payload)), ("\"x\"", .malformed(.payload)), ("{", .malformed(.payload)),
        ("{}{}", .malformed(.payload)), (#"{"aud":"x","exp":1800000060}x"#, .malformed(.payload)),
        (
            #"{"aud":"x","exp":1800000060,"a":\#(String(repeating: "[", count: 200))\#(String(repeating: "]", count: 200))}"#,
            .malformed(.payload)
        ),
        (#"{"aud":"x","exp":1800000060,"nameid":7}"#, .invalidClaim("nameid", .notText)),
        (#"{"aud":"x","exp":1800000060,"nameid":["a","b"]}"#, .invalidClaim("nameid", .notText)),
        (#"{"aud":"x","exp":1800000060,"asrs.s.uid":"a\u0000"}"#, .invalidClaim("asrs.s.uid", .controlCharacter)),
        (#"{"aud":"x","exp":1800000060,"nameid":"a","sub":{}}"#, .invalidClaim("sub", .notText)),
        (
            #"{"aud":"x","exp":1800000060,"nameid":"\#(String(repeating: "u", count: 250))"}"#,
            .invalidClaim("nameid", .tooLong(limit: 249))
        ),
        (#"{"aud":"x","exp":1800000060,"asrs.s.coae":"perhaps"}"#, .invalidClaim("asrs.s.coae", .notText)),
        (
            #"{"aud":"x","exp":1800000060,"asrs.s.coae":"true","asrs.s.aeo":"soon"}"#,
            .invalidClaim("asrs.s.aeo", .notTime)
        ),
        (
            #"{"aud":"x","exp":1800000060,"asrs.s.coae":"true","asrs.s.aeo":"-5"}"#,
            .invalidClaim("asrs.s.aeo", .notTime)
        ),
        (
            #"{"aud":"x","exp":1800000060,"asrs.s.coae":"true","asrs.s.aeo":"9223372036854775807"}"#,
            .invalidClaim("asrs.s.aeo", .notTime)
        ),
    ]

    @Test(arguments: claims) func claimsThatAreRefused(_ claims: String, _ refusal: TokenError) {
        #expect(Self.refusal(Self.token(claims)) == refusal)
    }

    @Test func onlyItsKeysSign() {
        let token = Self.token()
        #expect(Self.refusal(token, keys: []) == .unknownKey)
        for key in [
            [], [0], Array(Self.key.dropLast()), Self.key + [0, 1], Array("x".utf8),
        ] {
            #expect(Self.refusal(Self.token(by: key)) == .badSignature)
            #expect(Self.refusal(token, keys: [key]) == .badSignature)
        }
        // The same bytes, another function.
        #expect(Self.refusal(Self.token(with: .sha512)) == .badSignature)
        // A key that was replaced opens nothing once it is taken out.
        #expect(Self.refusal(Self.token(by: Self.old), keys: [Self.key]) == .badSignature)
    }

    @Test func itsFormIsStrict() throws {
        let token = Self.token()
        let parts = token.split(separator: ".").map(String.init)
        for strange in [
            "", ".", "..", "...", parts[0], parts[0] + "." + parts[1], token + ".", "." + token, token + "." + parts[2],
            parts[0] + ".." + parts[2], "." + parts[1] + "." + parts[2],
        ] { #expect(Self.refusal(strange) == .malformed(.parts), "\(strange)") }
        for strange in [
            token + "=", token + "\n", " " + token, token.replacing(".", with: "."), token + "%3D", token + "+",
        ] where strange != token {
            #expect(Self.refusal(strange) == .malformed(.encoding), "\(strange)")
        }
        // Bits that mean nothing, but would make another text of the same token (RFC 4648 3.5).
        let last = try #require(token.last)
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let index = try #require(digits.firstIndex(of: last))
        let other = String(token.dropLast()) + String(digits[index ^ 1])
        #expect(Self.refusal(other) == .malformed(.encoding))
        let unsigned = parts[0] + "." + parts[1] + "."
        #expect(Self.refusal(unsigned) == .badSignature)
        let large = Self.token(#"{"aud":"x","exp":1800000060,"x":"\#(String(repeating: "x", count: 9000))"}"#)
        #expect(Self.refusal(large) == .tooLarge(bytes: large.utf8.count))
    }

    /// A name in two spellings is two users, and two members.
    @Test func namesAreBytes() throws {
        func user(_ claims: String) throws -> ForeignText? {
            try HubClientClaims(AccessKeyToken(Self.token(claims), keys: [Self.key], now: Self.now)).user
        }
        let composed = try user("{\"aud\":\"x\",\"exp\":1800000060,\"nameid\":\"Jos\u{E9}\"}")
        let decomposed = try user("{\"aud\":\"x\",\"exp\":1800000060,\"nameid\":\"Jose\u{301}\"}")
        #expect(composed != decomposed && composed?.text == decomposed?.text)
        // The Kelvin sign is no K: this names no user.
        #expect(try user("{\"aud\":\"x\",\"exp\":1800000060,\"\u{FF4E}ameid\":\"ann\"}") == nil)
        #expect(try user("{\"aud\":\"x\",\"exp\":1800000060,\"e\u{301}\":1,\"\u{E9}\":2}") == nil)
    }
}
