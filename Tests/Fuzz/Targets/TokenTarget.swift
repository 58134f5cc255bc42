@testable import Authentication
@testable import Codec

/// Tokens, against keys of all kinds. A stranger's token is never taken, for nobody but us knows the secrets; and because
/// mutation does not find signatures, the input is also signed, as the claims of a token of ours.
enum TokenTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        let token = String(decoding: input, as: UTF8.self)
        let now: Int64 = 1_800_000_000
        refused("a connection", token) { try verifier.verifyConnection(token, now: now) }
        refused("a subscription", token) { try verifier.verifySubscription(token, now: now) }
        parts(token)
        // Claims, behind a right signature.
        signed(#"{"alg":"HS256"}"#, Array(input), now)
        // A header and claims, on two lines.
        guard let end = input.firstIndex(of: 0x0A) else { return }
        signed(String(decoding: input[..<end], as: UTF8.self), Array(input[(end + 1)...]), now)
    }

    /// Tokens of the corpus that somebody signed with the fixtures' keys are the only right ones.
    private static func refused<Claims>(_ what: String, _ token: String, _ verify: () throws -> Claims) {
        do {
            _ = try verify()
            expect(TestKeys.tokens.contains(token), "a token nobody signed is taken as \(what)")
        } catch {
            expect(error is TokenError && !"\(error)".isEmpty, "an error of another kind: \(error)")
        }
    }

    private static let verifier = TokenVerifier(keys: KeySet(TestKeys.all))
    private static let own = TokenVerifier(keys: KeySet([TestKeys.own.verificationKey]))

    /// Taken apart and put together it is the same token: there is no second one with the same signature.
    private static func parts(_ token: String) {
        guard let signed = try? SignedToken(token) else { return }
        let text = String(decoding: signed.signedBytes, as: UTF8.self) + "." + Base64URL.encode(signed.signature)
        expect(text == token, "two tokens with one signature")
        _ = try? signed.claims()
    }

    private static func signed(_ header: String, _ claims: [UInt8], _ now: Int64) {
        let text = Base64URL.encode(Array(header.utf8)) + "." + Base64URL.encode(claims)
        guard let signature = try? TestKeys.own.signature(over: Array(text.utf8)) else { return }
        let token = text + "." + Base64URL.encode(signature)
        if let connection = try? own.verifyConnection(token, now: now) {
            expect(
                (try? own.verifySubscription(token, now: now)) == nil,
                "a token for both a connection and a subscription")
            if let end = connection.expiresAt { expect(end + 60 >= now, "an expired token is taken") }
            for channel in connection.channels {
                expect(ChannelName.objection(to: channel.bytes) == nil, "'\(channel)' is not a channel")
                _ = connection.grants.permissions(in: channel)
            }
            if let user = connection.user {
                expect((1...249).contains(user.utf8.count), "a user of \(user.utf8.count) bytes")
            }
            for json in [connection.info, connection.meta].compactMap({ $0 }) {
                expect(json.withUnsafeBytes { JSONScanner.isValid($0) }, "info that is not JSON")
            }
            var broken = Array(token.utf8)
            broken[broken.count - 2] ^= 1
            let other = String(decoding: broken, as: UTF8.self)
            expect((try? own.verifyConnection(other, now: now)) == nil, "a broken signature is taken")
        } else if let subscription = try? own.verifySubscription(token, now: now) {
            expect(
                ChannelName.objection(to: subscription.channel.bytes) == nil, "'\(subscription.channel)' is no channel")
        }
    }
}
