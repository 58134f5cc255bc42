import Codec
import Foundation
import Testing

@testable import Authentication

/// Keys as an attacker or a careless tool makes them.
@Suite struct HostileKeyTests {
    private let fixtures: Fixtures
    private let hostile: HostileFixtures

    init() throws {
        fixtures = try Fixtures.load()
        hostile = try HostileFixtures.load()
    }

    @Test func publicKeysInPEM() throws {
        #expect(hostile.public.count > 60)
        for key in hostile.public {
            var refused: String?
            do throws(KeyError) {
                let material = try PEMBlock(key.pem, origin: "here").publicKey()
                #expect(material.signature(over: [1], with: material.family.algorithm) == nil, "\(key.name)")
                if key.name.hasPrefix("SPKI") || key.name.hasPrefix("PKCS") { try expectFixtureKey(material, key.name) }
            } catch {
                refused = HostileFixtures.name(of: error.reason)
            }
            #expect(refused == key.refused, "\(key.name)")
            #expect(ErrorQueue.isEmpty, "\(key.name)")
        }
    }

    @Test func privateKeysInPEM() throws {
        #expect(hostile.private.count > 50)
        for key in hostile.private {
            var refused: String?
            do throws(KeyError) {
                try expectFixtureKey(try PEMBlock(key.pem, origin: "here").privateKey(), key.name)
            } catch {
                refused = HostileFixtures.name(of: error.reason)
            }
            #expect(refused == key.refused, "\(key.name)")
            #expect(ErrorQueue.isEmpty, "\(key.name)")
        }
    }

    /// Whether it is the fixtures' key of its kind: it verifies what the other one signs, and the other way round if it signs.
    private func expectFixtureKey(_ material: KeyMaterial, _ name: String) throws(KeyError) {
        let message = Array("a message".utf8)
        let algorithm = material.family.algorithm
        do {
            let signature = try fixtures.signingKey(algorithm).signature(over: message)
            #expect(material.verifies(signature, over: message, with: algorithm), "\(name)")
            if let own = material.signature(over: message, with: algorithm) {
                #expect(try fixtures.verificationKey(algorithm).verifies(own, over: message), "\(name)")
            }
        } catch {
            Issue.record("\(name): \(error)")
        }
    }

    // MARK: JWK

    private func refusal(_ members: String) throws -> KeyError.Reason? {
        let text = #"{"keys":[{"kid":"k",\#(members)}]}"#
        let set = try JWKSet(parsing: Array(text.utf8), origin: "here", acceptsSecrets: false)
        #expect(set.keys.count + set.problems.count == 1)
        #expect(ErrorQueue.isEmpty, "\(members)")
        return set.problems.first?.reason
    }

    /// The numbers of a fixture key, from its JWK.
    private func numbers(_ type: String, _ curve: String?, _ names: [String]) throws -> [[UInt8]] {
        let file = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("jwks.json")))
        let set = try JSONObject(Array(file))
        let list = try #require(set["keys"])
        let keys = try #require(JSONObject.values(list, limit: 100)).map { try JSONObject($0) }
        let key = try #require(keys.first { $0.string("kty") == type && $0.string("crv") == curve })
        return try names.map { name in
            let text = try #require(key.string(name))
            return try #require(Base64URL.decode(text.utf8))
        }
    }

    private func rsa(_ modulus: [UInt8], _ exponent: [UInt8]) -> String {
        #""kty":"RSA","alg":"RS256","n":"\#(Base64URL.encode(modulus))","e":"\#(Base64URL.encode(exponent))""#
    }

    private func elliptic(_ curve: String, _ x: [UInt8], _ y: [UInt8]) -> String {
        #""kty":"EC","crv":"\#(curve)","x":"\#(Base64URL.encode(x))","y":"\#(Base64URL.encode(y))""#
    }

    @Test func exponents() throws {
        let modulus = try numbers("RSA", nil, ["n"])[0]
        for exponent: [UInt8] in [
            [3], [17], [1, 0, 1], [0, 0, 1, 0, 1], [1, 0, 0, 0, 1], [1, 0xFF, 0xFF, 0xFF, 0xFF],
        ] {
            #expect(try refusal(rsa(modulus, exponent)) == nil, "\(exponent)")
        }
        let long = [UInt8](repeating: 0xFF, count: 256)
        for exponent: [UInt8] in [
            [0], [1], [2], [4], [0, 1], [1, 0, 0], [2, 0, 0, 0, 1], [1, 0, 0, 0, 0, 0, 0, 0, 1], long, modulus,
        ] {
            #expect(try refusal(rsa(modulus, exponent)) == .unsupportedKey, "\(exponent)")
        }
        #expect(try refusal(rsa(modulus, [])) == .member("e"))
    }

    @Test func moduli() throws {
        let modulus = try numbers("RSA", nil, ["n"])[0]
        let exponent: [UInt8] = [1, 0, 1]
        #expect(try refusal(rsa([0, 0] + modulus, exponent)) == nil)
        #expect(try refusal(rsa(Array(modulus.dropLast()) + [2], exponent)) == .unsupportedKey)
        for bits in [1, 8, 512, 1024, 2040, 2047, 8193, 16384, 16392, 1 << 20] {
            // The highest bit of so many, and the lowest.
            var number = [UInt8](repeating: 0, count: (bits + 7) / 8)
            number[0] = 1 << UInt8((bits - 1) % 8)
            number[number.count - 1] |= 1
            #expect(try refusal(rsa(number, exponent)) == .rsaSize(bits: bits), "\(bits)")
        }
        for bits in [2048, 2049, 4096, 8192] {
            var number = [UInt8](repeating: 0, count: (bits + 7) / 8)
            number[0] = 1 << UInt8((bits - 1) % 8)
            number[number.count - 1] |= 1
            #expect(try refusal(rsa(number, exponent)) == nil, "\(bits)")
        }
        #expect(try refusal(rsa([0], exponent)) == .rsaSize(bits: 0))
    }

    @Test(arguments: [("P-256", 32), ("P-384", 48), ("P-521", 66)])
    func points(curve: String, size: Int) throws {
        let point = try numbers("EC", curve, ["x", "y"])
        let (x, y) = (point[0], point[1])
        #expect(try refusal(elliptic(curve, x, y)) == nil)
        let zero = [UInt8](repeating: 0, count: size)
        let full = [UInt8](repeating: 0xFF, count: size)
        var off = y
        off[size - 1] ^= 1
        for (x, y) in [
            (y, x), (x, x), (x, off), (zero, zero), (x, zero), (zero, y), (full, full), (x, full), ([0] + x, [0] + y),
            ([0] + x, Array(y.dropFirst())), (Array(x.dropFirst()), Array(y.dropFirst())), (x, y + [0]), (x + y, [4]),
            ([4], [4]),
        ] {
            #expect(try refusal(elliptic(curve, x, y)) == .unsupportedKey, "\(x) \(y)")
        }
        for other in ["P-256", "P-384", "P-521", "secp256k1", "P-192", "p-256", ""] where other != curve {
            #expect(try refusal(elliptic(other, x, y)) == .unsupportedKey, "\(other)")
        }
    }

    /// 66 bytes have room for x + p, where p is 2^521 - 1: the same point, written differently.
    @Test func aCoordinateWrittenASecondTime() throws {
        let point = try numbers("EC", "P-521", ["x", "y"])
        var x = point[0]
        // x + 2^521 - 1: the lowest bit goes, and the ninth of the first two bytes comes.
        let lowest = try #require(x.lastIndex { $0 != 0 })
        x[lowest] -= 1
        for index in x.indices where index > lowest { x[index] = 0xFF }
        x[0] += 2
        #expect(try refusal(elliptic("P-521", x, point[1])) == .unsupportedKey)
    }

    @Test func edwards() throws {
        let x = try numbers("OKP", "Ed25519", ["x"])[0]
        func key(_ x: [UInt8], _ curve: String = "Ed25519") -> String {
            #""kty":"OKP","crv":"\#(curve)","x":"\#(Base64URL.encode(x))""#
        }
        #expect(try refusal(key(x)) == nil)
        for wrong in [Array(x.dropLast()), x + [0], x + x, [1]] {
            #expect(try refusal(key(wrong)) == .unsupportedKey)
        }
        #expect(try refusal(key(x, "Ed448")) == .unsupportedKey)
        // Whether the bytes are a point shows when they verify.
        let none = try #require(Ed25519Key(public: [UInt8](repeating: 0xFF, count: 32)))
        #expect(!none.verifies([UInt8](repeating: 0, count: 64), over: [1]))
        #expect(ErrorQueue.isEmpty)
    }
}
