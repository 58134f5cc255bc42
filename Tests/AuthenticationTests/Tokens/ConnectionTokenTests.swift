import Codec
import Testing

@testable import Authentication

/// Tokens of negotiated connections, and what others would make of them.
@Suite struct ConnectionTokenTests {
    static let hub = Array("/chat".utf8)
    static let key = Array("0123456789abcdef0123456789abcdef".utf8)
    static let old = Array("fedcba9876543210fedcba9876543210".utf8)
    static let now: Int64 = 1_800_000_000
    static let id = SessionID.Secret(high: 0x0102_0304_0506_0708, low: 0xFFFF_FFFF_FFFF_FFFF)
    static let token = signed(expiresAt: now + 60)

    static func signed(expiresAt: Int64, by key: [UInt8] = key) -> [UInt8] {
        ConnectionToken(id, expiresAt: expiresAt).signed(for: hub, by: key) ?? []
    }

    static func refusal(
        _ token: [UInt8], hub: [UInt8] = hub, keys: [[UInt8]] = [key, old], now: Int64 = now
    ) -> ConnectionTokenError? {
        do {
            #expect(try ConnectionToken(token, of: hub, keys: keys, now: now).id == id)
            return nil
        } catch {
            return error
        }
    }

    @Test func theHonestOneIsAccepted() throws {
        #expect(Self.token.count == ConnectionToken.characters)
        #expect(Self.refusal(Self.token) == nil)
        let before = Self.signed(expiresAt: Self.now + 1, by: Self.old)
        #expect(Self.refusal(before) == nil)
        #expect(
            try ConnectionToken(Self.token, of: Self.hub, keys: [Self.key], now: Self.now).expiresAt == Self.now + 60)
    }

    @Test func itEnds() {
        #expect(Self.refusal(Self.token, now: Self.now + 59) == nil)
        #expect(Self.refusal(Self.token, now: Self.now + 60) == .expired)
        #expect(Self.refusal(Self.token, now: .max) == .expired)
        for end in [Int64.min, -1, 0, Self.now] {
            #expect(
                Self.refusal(Self.signed(expiresAt: end)) == .expired)
        }
        #expect(Self.refusal(Self.signed(expiresAt: .max)) == nil)
    }

    @Test func itIsOfOneHubAndItsKeys() {
        for hub in ["", "/", "/cha", "/chat/", "/Chat", "/chat2"] {
            #expect(Self.refusal(Self.token, hub: Array(hub.utf8)) == .badSignature)
        }
        #expect(Self.refusal(Self.token, keys: []) == .badSignature)
        #expect(Self.refusal(Self.token, keys: [Self.old]) == .badSignature)
        #expect(Self.refusal(Self.token, keys: [Array(Self.key.dropLast())]) == .badSignature)
        // HMAC fills a short key with zero bytes (RFC 2104 2), so keys have a least length, and are taken whole.
        #expect(Self.refusal(Self.token, keys: [Self.key + [1]]) == .badSignature)
    }

    /// Each bit counts, and there is one text for a token.
    @Test func nothingOfItCanBeChanged() {
        for index in Self.token.indices {
            for other in [UInt8(ascii: "A"), UInt8(ascii: "B"), UInt8(ascii: "_")] where Self.token[index] != other {
                var changed = Self.token
                changed[index] = other
                let refusal = Self.refusal(changed)
                #expect(refusal == .badSignature || refusal == .malformed, "character \(index)")
            }
        }
    }

    static let strange: [[UInt8]] = [
        [], [0], Array("eyJhbGciOiJIUzI1NiJ9.e30.x".utf8), token + token, Array(token.dropLast()),
        token + [UInt8(ascii: "=")],
        token + [UInt8(ascii: "A")], [UInt8(ascii: " ")] + token.dropLast(),
        Array(repeating: UInt8(ascii: "A"), count: 76),
        Array(repeating: UInt8(ascii: "A"), count: 152), Array(repeating: 0xFF, count: 76),
        Array(String(decoding: token, as: UTF8.self).replacing("A", with: "/").utf8.dropLast(1)) + [UInt8(ascii: "+")],
    ]

    @Test(arguments: strange)
    func whatIsNoTokenIsRefused(_ text: [UInt8]) {
        #expect(Self.refusal(text) == .malformed)
    }

    /// A code over the same bytes for something else is no signature here.
    @Test func anotherUseOfTheKeyIsNoSignature() throws {
        let bytes = try #require(Base64URL.decode(Self.token))
        let body = Array(bytes.prefix(25))
        let key = try SigningKey(secret: Self.key)
        for message in [body, Self.hub + body, Self.hub + [0] + body] {
            let forged = Base64URL.encode(body + (try key.signature(over: message)))
            #expect(Self.refusal(Array(forged.utf8)) == .badSignature)
        }
    }
}
