import Codec
import Testing

@testable import Authentication

@Suite struct TokenMakerTests {
    private let maker: TokenMaker
    private let verifier: TokenVerifier

    init() throws {
        let key = try SigningKey(secret: Forger.secret, id: "k")
        maker = TokenMaker(key: key)
        verifier = TokenVerifier(keys: KeySet([key.verificationKey]))
    }

    private func channel(_ name: String) throws -> ChannelName { try ChannelName(validating: Array(name.utf8)) }

    @Test func everythingOfAConnection() throws {
        var contents = TokenContents(user: "Ada \"L\\\u{F6}", expiresAt: testNow + 60)
        contents.issuedAt = testNow
        contents.notBefore = testNow
        contents.id = "j"
        contents.issuer = "i"
        contents.audiences = ["a", "b"]
        contents.info = Array(#"{"n": 1.0}"#.utf8)
        contents.meta = Array("[]".utf8)
        contents.channels = [try channel("news"), try channel("späße")]
        contents.sessionExpiresAt = 0
        contents.grants = [
            Grant(match: [try #require(GrantPattern("chat:*"))], allow: [.subscribe, .history]),
            Grant(match: [try #require(GrantPattern("x"))], allow: []),
        ]
        let rules = try TokenRules(audiences: ["b"], issuers: ["i"])
        let strict = TokenVerifier(keys: verifier.keys, rules: rules)
        let claims = try strict.verifyConnection(maker.make(contents), now: testNow)
        #expect(claims.user?.text == contents.user)
        #expect(claims.info == contents.info)
        #expect(claims.meta == contents.meta)
        #expect(claims.channels == contents.channels)
        #expect(claims.grants == contents.grants)
        #expect(claims.id == "j")
        #expect(claims.issuedAt == testNow)
        #expect(claims.expiresAt == nil)
    }

    @Test func everythingOfASubscription() throws {
        let text = "00000000000000aa-0000000000000001-0000000000000000000000000000000f"
        var contents = TokenContents(user: "ada", expiresAt: testNow + 60)
        contents.channel = try channel("chat:1")
        contents.client = SessionID(text)
        let claims = try verifier.verifySubscription(maker.make(contents), now: testNow)
        #expect(claims.channel == contents.channel)
        #expect(claims.client == contents.client)
        #expect(claims.expiresAt == testNow + 60)
    }

    @Test func whatANodeWouldRefuseIsNotMade() throws {
        func refusal(_ change: (inout TokenContents) throws -> Void) throws -> TokenMakerError? {
            var contents = TokenContents(user: "ada", expiresAt: testNow + 60)
            try change(&contents)
            do {
                _ = try maker.make(contents)
                return nil
            } catch {
                return error
            }
        }
        #expect(
            try refusal {
                $0.channel = try channel("a"); $0.channels = [try channel("b")]
            } == .both)
        #expect(
            try refusal { $0.client = SessionID(node: NodeID(1), locator: 1, secret: .init(high: 1, low: 1)) }
                == .clientWithoutChannel)
        #expect(try refusal { $0.info = Array("plain".utf8) } == .notJSON("info"))
        #expect(try refusal { $0.meta = Array("{} {}".utf8) } == .notJSON("meta"))
        #expect(try refusal { $0.info = [0x22, 0xFF, 0x22] } == .notJSON("info"))
        #expect(
            try refusal { $0.user = String(repeating: "u", count: 256) }
                == .refused(.invalidClaim("sub", .tooLong(limit: ChannelName.maximumUserBytes))))
        #expect(try refusal { $0.expiresAt = -1 } == .refused(.invalidClaim("exp", .notTime)))
        let large = Array("\"\(String(repeating: "x", count: 9000))\"".utf8)
        guard case .refused(.tooLarge) = try refusal({ $0.info = large }) else {
            Issue.record("made")
            return
        }
        // One that has expired is: somebody may want to see it refused.
        #expect(try refusal { $0.expiresAt = 1 } == nil)
    }
}

@Suite struct TokenExplanationTests {
    private func lines(_ token: String, _ verifier: TokenVerifier? = nil) -> [String: String] {
        let explanation = TokenExplanation(token, now: testNow, verifier: verifier)
        return Dictionary(explanation.lines.map { ($0.name, $0.text) }) { $0 + "; " + $1 }
    }

    @Test func aGoodToken() throws {
        let forger = try Forger()
        let token = try forger.token(
            #"{"sub":"ada","exp":\#(testNow + 7500),"nbf":\#(testNow - 86_461),"channels":["a","b"],"custom":[1],"#
                + #""grants":[{"match":["x:*","y"],"allow":["publish","subscribe"]}],"aud":"q"}"#)
        let said = lines(token, forger.verifier)
        #expect(said["algorithm"] == "HS256: signed with a shared secret")
        #expect(said["signature"] == "good")
        #expect(said["verdict"] == "accepted")
        #expect(said["for"] == "a connection")
        #expect(said["user"] == "ada")
        #expect(said["expires"] == "in 2 h 5 min (2027-01-15T10:05:00Z)")
        #expect(said["valid from"] == "1 d ago (2027-01-14T07:58:59Z)")
        #expect(said["joins at once"] == "a, b")
        #expect(said["may"] == "subscribe, publish in x:*, y")
        #expect(said["audience"] == "q")
        #expect(said["custom"] == "[1]  (not used here)")
        #expect(lines(token)["signature"] == "not checked: no key given")
        #expect(lines(token)["verdict"] == nil)
    }

    @Test func badOnes() throws {
        let forger = try Forger()
        let token = try forger.token(#"{"sub":7,"channel":"a","exp":\#(testNow - 61)}"#)
        let said = lines(token, forger.verifier)
        #expect(said["for"] == "one subscription")
        #expect(said["user"] == nil)
        #expect(said["sub"] == "WRONG: the token's \"sub\" is wrong: expected text")
        #expect(said["expires"] == "1 min 1 s ago (2027-01-15T07:58:59Z): EXPIRED")
        #expect(said["verdict"] == "REFUSED: the token expired 61 s ago")
        let changed = String(token.dropLast(2)) + "AA"
        #expect(lines(changed, forger.verifier)["signature"]?.hasPrefix("BAD") == true)
        let none = try forger.token(header: #"{"alg":"none"}"#, Forger.claims)
        #expect(lines(none, forger.verifier)["algorithm"] == "none: not supported")
        #expect(lines(none, forger.verifier)["verdict"]?.hasPrefix("REFUSED") == true)
        #expect(lines("rubbish")["token"]?.contains("three parts") == true)
        #expect(lines(try forger.token("[]"))["claims"]?.contains("not a JSON object") == true)
        #expect(lines(try forger.token("{}"))["expires"]?.hasPrefix("never") == true)
        #expect(lines(try forger.token(#"{"exp":9007199254740992}"#))["expires"]?.hasPrefix("in ") == true)
    }

    @Test func aTokenCannotWriteOnTheTerminal() throws {
        let forger = try Forger()
        let token = try forger.token(
            header: #"{"alg":"\u001b[2J","kid":"\u202eabc"}"#, #"{"iss":"a\u001b]0;x\u0007","c\nd":1,"exp":1}"#)
        let text = TokenExplanation(token, now: testNow).description
        #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || ($0.value >= 0x20 && $0.value != 0x202E) })
        #expect(text.contains(#"\u{1b}"#))
    }
}
