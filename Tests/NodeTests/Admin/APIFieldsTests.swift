import Codec
import Testing

@testable import Node

@Suite struct APIFieldsTests {
    private func code(_ body: String, _ read: (APIFields) throws -> Void = { _ in }) -> String? {
        do {
            try read(
                try APIFields(
                    Array(body.utf8), known: ["user", "all", "issued_until", "channel", "token", "expires_at"]))
            return nil
        } catch {
            return (error as? APIError)?.code
        }
    }

    @Test func refusesWhatIsNotKnown() {
        #expect(code("") == nil && code("{}") == nil && code(#"{"user":null}"#) == nil)
        #expect(code(#"{"usr":"a"}"#) == "unknown_field" && code(#"{"user":"a","user":"b"}"#) == "invalid_field")
        for body in ["[]", "null", "{", "{}x", #"{"user":}"#, "\u{FF}"] {
            #expect(code(body) == "invalid_json", "\(body)")
        }
        #expect(code(#"{"user":1}"#) { _ = try $0.text("user") } == "invalid_field")
        #expect(code(#"{"channel":"a b"}"#) { _ = try $0.channel("channel") } == "invalid_channel")
        for time in ["-1", "1.5", "\"1\"", "99999999999999999999", "9007199254740993"] {
            #expect(
                code("{\"issued_until\":\(time)}") { _ = try $0.time("issued_until") } == "invalid_field", "\(time)")
        }
    }

    @Test func revocations() throws {
        func parse(_ body: String) throws -> Revocation {
            let fields = try APIFields(
                Array(body.utf8), known: ["user", "all", "issued_until", "token", "expires_at"])
            return try RevocationRoutes.revocation(fields, now: 1000, lifetime: 60)
        }
        #expect(try parse(#"{"user":"ann"}"#) == Revocation(.user("ann"), issuedUntil: 1000, expiresAt: 1060))
        #expect(
            try parse(#"{"token":"x","expires_at":2000}"#)
                == Revocation(.token("x"), issuedUntil: 1000, expiresAt: 2000))
        #expect(try parse(#"{"all":true,"issued_until":5}"#) == Revocation(.everybody, issuedUntil: 5, expiresAt: 1060))
        let latest = try parse(#"{"user":"ann","issued_until":9007199254740992}"#)
        #expect(latest.expiresAt == Revocation.latestTime)
        for body in ["{}", #"{"all":false}"#, #"{"user":"a","token":"b"}"#, #"{"user":"a","expires_at":1000}"#] {
            #expect(throws: APIError.self) { try parse(body) }
        }
    }

    @Test func batches() throws {
        let good = #"{"publications":[{"channel":"a","data":1},{"user":"ann","text":"x"}]}"#
        #expect(try BatchRoutes.parse(Array(good.utf8), messageBytes: 100).map(\.payload) == [[0x31], [0x78]])
        for (body, code) in [
            ("{}", "invalid_field"), (#"{"publications":[]}"#, "invalid_field"),
            (#"{"publications":{}}"#, "invalid_field"),
            (#"{"publications":[{"channel":"a"}]}"#, "payload"),
            (#"{"publications":[{"channel":"a","data":1},7]}"#, "invalid_json"),
            ("{\"publications\":[\(Array(repeating: "1", count: 1001).joined(separator: ","))]}", "invalid_field"),
        ] {
            let error = #expect(throws: APIError.self) { try BatchRoutes.parse(Array(body.utf8), messageBytes: 100) }
            #expect(error?.code == code, "\(body.prefix(60))")
        }
    }
}
