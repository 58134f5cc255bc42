import Codec
import Testing

@testable import Authentication

@Suite struct ClaimTests {
    private let forger: Forger

    init() throws { forger = try Forger() }

    private func claims(_ more: String) -> String { #"{"exp":\#(testNow + 60),\#(more)}"# }

    private func subscription(_ more: String) throws -> SubscriptionClaims {
        try forger.verifier.verifySubscription(forger.token(claims(more)), now: testNow)
    }

    private func subscriptionRefusal(_ more: String) throws -> TokenError? {
        do {
            _ = try forger.verifier.verifySubscription(forger.token(claims(more)), now: testNow)
            return nil
        } catch let error as TokenError {
            return error
        }
    }

    private func channel(_ name: String) throws -> ChannelName { try ChannelName(validating: Array(name.utf8)) }

    @Test func everyClaimOfAConnection() throws {
        let read = try forger.accepts(
            claims(
                #""sub":"ada","iat":5,"jti":"j","info": {"a" : [1.50, "\u00e9"]} ,"meta":"m","channels":["a","b"],"#
                    + #""grants":[{"match":["x:*","y"],"allow":["publish","history"]},{"match":"z","allow":[]}]"#))
        #expect(read.user == "ada")
        #expect(read.expiresAt == testNow + 60)
        #expect(read.issuedAt == 5)
        #expect(read.id == "j")
        // Byte for byte as it was written.
        #expect(read.info == Array(#"{"a" : [1.50, "\u00e9"]}"#.utf8))
        #expect(read.meta == Array(#""m""#.utf8))
        #expect(read.channels == [try channel("a"), try channel("b")])
        #expect(read.grants.map(\.allow) == [[.publish, .history], []])
        #expect(read.grants.permissions(in: try channel("x:1")) == [.publish, .history])
        #expect(read.grants.permissions(in: try channel("z")) == [])
        #expect(read.grants.permissions(in: try channel("yy")) == [])
    }

    @Test func nothingButAnExpiry() throws {
        let read = try forger.accepts(#"{"exp":\#(testNow + 60)}"#)
        #expect(read.user == nil)
        #expect(read.info == nil)
        #expect(read.channels == [])
        #expect(read.grants == [])
    }

    @Test func emptyAndNullCountAsAbsent() throws {
        let read = try forger.accepts(claims(#""sub":"","info":null,"channels":null,"grants":null,"jti":null"#))
        #expect(read.user == nil)
        #expect(read.info == nil)
        #expect(read.channels == [])
    }

    @Test func claimsNobodyKnowsAreSteppedOver() throws {
        #expect(try forger.accepts(claims(#""sub":"ada","https:\/\/x.example\/roles":["a"],"caps":7"#)).user == "ada")
    }

    /// RFC 7519 2: a time is a JSON number, however it is written.
    @Test(
        arguments: [
            ("1680000000", 1_680_000_000), ("1.68e9", 1_680_000_000), ("1.68E+9", 1_680_000_000),
            ("16800000000e-1", 1_680_000_000), ("1680000000.999", 1_680_000_000), ("168000000099e-2", 1_680_000_000),
            ("0", 0), ("0.0e5", 0), ("0e999999999999", 0), ("5e-324", 0), ("0.00168e12", 1_680_000_000),
            ("9007199254740992", 1 << 53), ("9007199254740993", nil), ("1e16", nil), ("1e999999999999", nil),
            ("1e99999", nil), ("-1", nil), ("-1e3", nil), ("\"1.68e9\"", nil), ("true", nil), ("[1]", nil),
        ] as [(String, Int64?)])
    func timesAreNumbersOfEveryForm(_ text: String, _ time: Int64?) throws {
        if let time {
            #expect(try forger.accepts(claims(#""iat":\#(text)"#)).issuedAt == time)
        } else {
            #expect(try forger.refusal(claims: claims(#""iat":\#(text)"#)) == .invalidClaim("iat", .notTime))
        }
    }

    @Test func users() throws {
        let limit = ChannelName.maximumUserBytes
        let longest = String(repeating: "u", count: limit)
        #expect(try forger.accepts(claims(#""sub":"\#(longest)""#)).user?.text == longest)
        #expect(
            try forger.refusal(claims: claims(#""sub":"\#(longest)u""#)) == .invalidClaim("sub", .tooLong(limit: limit))
        )
        #expect(try forger.refusal(claims: claims(#""sub":7"#)) == .invalidClaim("sub", .notText))
        for text in [#"a\nb"#, #"a\u0000"#, #"\u001b[31m"#, #"a\u0085"#] {
            #expect(try forger.refusal(claims: claims(#""sub":"\#(text)""#)) == .invalidClaim("sub", .controlCharacter))
        }
        #expect(try forger.accepts(claims(#""sub":"Ada L\u00f6velace""#)).user == "Ada Lövelace")
    }

    @Test func channelsAndSubs() throws {
        let read = try forger.accepts(claims(#""channels":["b","a","b"],"subs":{"d":{},"a":{},"c":{"info":1}}"#))
        #expect(try read.channels == ["b", "a", "c", "d"].map(channel))
        #expect(
            try forger.refusal(claims: claims(#""channels":["$all"]"#))
                == .invalidClaim("channels", .channel(.reserved)))
        #expect(
            try forger.refusal(claims: claims(#""channels":["a b"]"#))
                == .invalidClaim("channels", .channel(.forbiddenByte(0x20, offset: 1))))
        #expect(
            try forger.refusal(claims: claims(#""subs":{"$user:x":{}}"#)) == .invalidClaim("subs", .channel(.reserved)))
        #expect(try forger.refusal(claims: claims(#""channels":"a""#)) == .invalidClaim("channels", .notList))
        #expect(try forger.refusal(claims: claims(#""channels":["a",7]"#)) == .invalidClaim("channels", .notList))
        #expect(try forger.refusal(claims: claims(#""subs":["a"]"#)) == .invalidClaim("subs", .notList))
        let many = (0...128).map { "\"c\($0)\"" }.joined(separator: ",")
        #expect(
            try forger.refusal(claims: claims(#""channels":[\#(many)]"#))
                == .invalidClaim("channels", .tooMany(limit: 128)))
    }

    @Test(arguments: [
        (#"{}"#, TokenError.ClaimFault.notList), (#"[7]"#, .grant), (#"[{"match":"a"}]"#, .grant),
        (#"[{"allow":["publish"]}]"#, .grant), (#"[{"match":"a","allow":["publish"],"except":"b"}]"#, .grant),
        (#"[{"match":"a","allow":"publish"}]"#, .grant), (#"[{"match":"a","allow":["pub"]}]"#, .permission),
        (#"[{"match":"a","allow":["Publish"]}]"#, .permission), (#"[{"match":"","allow":["publish"]}]"#, .pattern),
        (#"[{"match":[],"allow":["publish"]}]"#, .pattern), (#"[{"match":"a b","allow":["publish"]}]"#, .pattern),
        (#"[{"match":7,"allow":["publish"]}]"#, .grant), (#"[{"match":["a",7],"allow":["publish"]}]"#, .grant),
    ])
    func grantsThatAreWrong(json: String, fault: TokenError.ClaimFault) throws {
        #expect(try forger.refusal(claims: claims(#""grants":\#(json)"#)) == .invalidClaim("grants", fault))
    }

    @Test func grantsNeverOpenReservedChannels() throws {
        let grants = try forger.accepts(claims(#""grants":[{"match":"*","allow":["subscribe"]}]"#)).grants
        #expect(grants.permissions(in: .all) == [])
        #expect(grants.permissions(in: try channel("all")) == .subscribe)
    }

    @Test func theKindsAreNotMixed() throws {
        #expect(try forger.refusal(claims: claims(#""channel":"a""#)) == .subscriptionToken)
        #expect(try subscriptionRefusal(#""sub":"ada""#) == .connectionToken)
        for more in [#""channels":["a"]"#, #""subs":{}"#, #""grants":[]"#] {
            #expect(try subscriptionRefusal(#""channel":"a",\#(more)"#) == .connectionToken)
            #expect(try forger.refusal(claims: claims(#""channel":"a",\#(more)"#)) == .subscriptionToken)
        }
    }

    @Test func everyClaimOfASubscription() throws {
        let node = "00000000000000aa-0000000000000001-0000000000000000000000000000000f"
        let read = try subscription(#""sub":"ada","channel":"chat:1","client":"\#(node)","info":1,"jti":"j""#)
        #expect(try read.channel == channel("chat:1"))
        #expect(read.user == "ada")
        #expect(read.client == SessionID(node))
        #expect(read.info == Array("1".utf8))
        #expect(read.expiresAt == testNow + 60)
        #expect(try subscriptionRefusal(#""channel":"$all""#) == .invalidClaim("channel", .channel(.reserved)))
        #expect(try subscriptionRefusal(#""channel":"a","client":"x""#) == .invalidClaim("client", .connection))
    }

    @Test func whoseSubscriptionItIs() throws {
        let text = "00000000000000aa-0000000000000001-0000000000000000000000000000000f"
        let mine = try #require(SessionID(text))
        let other = try #require(SessionID(text.replacing("0f", with: "0e")))
        let a = try channel("a")
        let free = try subscription(#""sub":"ada","channel":"a""#)
        #expect(throws: Never.self) { try free.check(channel: a, user: "ada", client: mine) }
        let b = try channel("b")
        #expect(throws: TokenError.wrongChannel) { try free.check(channel: b, user: "ada", client: mine) }
        #expect(throws: TokenError.wrongUser) { try free.check(channel: a, user: "bob", client: mine) }
        #expect(throws: TokenError.wrongUser) { try free.check(channel: a, user: nil, client: mine) }
        let bound = try subscription(#""sub":"ada","channel":"a","client":"\#(text)""#)
        #expect(throws: Never.self) { try bound.check(channel: a, user: "ada", client: mine) }
        #expect(throws: TokenError.wrongConnection) { try bound.check(channel: a, user: "ada", client: other) }
    }

    @Test func theSessionMayEndAtAnotherTime() throws {
        #expect(try subscription(#""channel":"a","expire_at":0"#).expiresAt == nil)
        #expect(try subscription(#""channel":"a","expire_at":\#(testNow + 5)"#).expiresAt == testNow + 5)
        #expect(try forger.accepts(claims(#""expire_at":\#(testNow + 900)"#)).expiresAt == testNow + 900)
        #expect(
            try subscriptionRefusal(#""channel":"a","expire_at":\#(testNow - 40)"#) == .expired(secondsAgo: 40))
        #expect(try subscriptionRefusal(#""channel":"a","expire_at":"0""#) == .invalidClaim("expire_at", .notTime))
    }

    @Test func fractionsOfSecondsAreDropped() throws {
        #expect(try forger.accepts(#"{"exp":\#(testNow + 60).75}"#).expiresAt == testNow + 60)
    }

    @Test func anExpiryMayBeOptional() throws {
        let keys = KeySet([forger.key.verificationKey])
        let verifier = TokenVerifier(keys: keys, rules: try TokenRules(requiresExpiry: false))
        let claims = try verifier.verifyConnection(forger.token(#"{"sub":"ada"}"#), now: testNow)
        #expect(claims.expiresAt == nil)
    }

    @Test func rulesThatCannotBe() {
        #expect(throws: TokenRulesError.leeway(61)) { try TokenRules(leeway: 61) }
        #expect(throws: TokenRulesError.leeway(-1)) { try TokenRules(leeway: -1) }
        #expect(throws: TokenRulesError.emptyName) { try TokenRules(audiences: [""]) }
        #expect(throws: TokenRulesError.noAlgorithm) { try TokenRules(algorithms: []) }
    }

    @Test func theAllowListGoesBeforeTheKeys() throws {
        let keys = KeySet([forger.key.verificationKey])
        let verifier = TokenVerifier(keys: keys, rules: try TokenRules(algorithms: [.es256]))
        let token = try forger.token(Forger.claims)
        #expect(throws: TokenError.algorithmRefused) { try verifier.verifyConnection(token, now: testNow) }
        let unnamed = try forger.token(header: #"{"alg":"HS256","kid":"nobody"}"#, Forger.claims)
        #expect(throws: TokenError.algorithmRefused) { try verifier.verifyConnection(unnamed, now: testNow) }
    }
}
