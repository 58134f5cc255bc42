import Codec
import Testing

@testable import Authentication

/// What tokens of hub clients say, as libraries of the Azure SignalR Service write them.
@Suite struct HubClientClaimsTests {
    private static func claims(_ members: String) throws -> HubClientClaims {
        let token = AccessKeyTokenTests.token(#"{"aud":"x","exp":1800000060"# + members + "}")
        return try HubClientClaims(
            AccessKeyToken(token, keys: [AccessKeyTokenTests.key], now: AccessKeyTokenTests.now))
    }

    static let users: [(members: String, user: String?)] = [
        ("", nil), (#","nameid":"ann""#, "ann"), (#","nameid":"""#, nil), (#","sub":"ann""#, "ann"),
        (#","sub":"bob","nameid":"ann""#, "ann"), (#","nameid":"bob","asrs.s.uid":"ann""#, "ann"),
        (#","http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier":"ann","nameid":"bob""#, "ann"),
        (#","asrs.u.sub":"bob""#, nil), (#","name":"bob","unique_name":"bob""#, nil),
    ]

    @Test(arguments: users) func theUser(_ members: String, _ user: String?) throws {
        #expect(try Self.claims(members).user == user.map { ForeignText($0) })
    }

    static let ends: [(members: String, end: Int64?)] = [
        ("", nil), (#","asrs.s.coae":"false""#, nil), (#","asrs.s.aeo":"1800000005""#, nil),
        (#","asrs.s.coae":"true""#, 1_800_000_060), (#","asrs.s.coae":true"#, 1_800_000_060),
        (#","asrs.s.coae":"True","asrs.s.aeo":"1800000005""#, 1_800_000_005),
        (#","asrs.s.coae":"true","asrs.s.aeo":1800000005"#, 1_800_000_005), (#","asrs.s.coae":null"#, nil),
    ]

    /// The time at which a token expires is not that at which its connection ends, unless it says so.
    @Test(arguments: ends) func theEnd(_ members: String, _ end: Int64?) throws {
        #expect(try Self.claims(members).closesAt == end)
    }

    @Test func byWhatItIsRevoked() throws {
        let claims = try Self.claims(#","iat":1799999999,"jti":"t1""#)
        #expect(claims.issuedAt == 1_799_999_999 && claims.id == "t1")
    }

    @Test func whatApplicationsSee() {
        func shown(_ members: String) -> String {
            ShownClaims.of(AccessKeyTokenTests.token(members)).map { "\($0.name)=\($0.value)" }.joined(separator: " ")
        }
        #expect(
            shown(
                #"{"aud":"x","exp":1,"iat":1,"nbf":1,"iss":"i","jti":"j","nonce":"n","asrs.s.uid":"u","role":"admin"}"#)
                == "role=admin")
        #expect(
            shown(#"{"asrs.u.exp":"7","nameid":"ann","list":["a",1,{"b":2}],"n":null}"#)
                == #"exp=7 list=a list=1 list={"b":2} n=null nameid=ann"#)
        #expect(shown("[]") == "" && ShownClaims.of("x").isEmpty && ShownClaims.of("").isEmpty)
    }
}
