import Foundation
import Testing

@testable import Authentication

/// What the standards themselves give as examples.
@Suite struct StandardVectorTests {
    /// An example of Fixtures/rfc.json: a key, and a token that it signed.
    private struct Example: Decodable {
        let source: String
        let algorithm: String
        let jwk: [String: String]
        let token: String
        /// In PEM, where the example has it and the signature comes out the same each time.
        let `private`: String?
    }

    private static func load() throws -> [Example] {
        try JSONDecoder().decode(
            [Example].self, from: Data(contentsOf: URL(fileURLWithPath: Fixtures.path("rfc.json"))))
    }

    @Test func tokens() throws {
        let examples = try Self.load()
        #expect(examples.count == 6)
        for example in examples {
            let algorithm = try #require(SignatureAlgorithm(name: example.algorithm))
            let set = #"{"keys":["# + String(decoding: try JSONEncoder().encode(example.jwk), as: UTF8.self) + "]}"
            let keys = try JWKSet(
                parsing: Array(set.utf8), origin: "here", algorithm: algorithm, acceptsSecrets: true)
            #expect(keys.problems == [], "\(example.source)")
            let key = try #require(keys.keys.first)
            #expect(key.algorithm == algorithm)
            let signed = try SignedToken(example.token)
            #expect(key.verifies(signed.signature, over: signed.signedBytes), "\(example.source)")
            #expect(!key.verifies(signed.signature, over: signed.signedBytes + [0]), "\(example.source)")
            if let pem = example.private {
                let own = try SigningKey(privatePEM: pem, algorithm: algorithm)
                #expect(try own.signature(over: signed.signedBytes) == signed.signature, "\(example.source)")
            }
        }
    }

    /// RFC 4231 4.2, 4.3 and 4.7, and a code with neither key nor message.
    @Test func codes() {
        let block = [UInt8](repeating: 0xAA, count: 131)
        let long = "Test Using Larger Than Block-Size Key - Hash Key First"
        let codes: [([UInt8], String, HashFunction, String)] = [
            (
                [UInt8](repeating: 0x0B, count: 20), "Hi There", .sha256,
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                Array("Jefe".utf8), "what do ya want for nothing?", .sha384,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"
            ),
            (
                Array("Jefe".utf8), "what do ya want for nothing?", .sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                    + "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
            ),
            (block, long, .sha256, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
            ([], "", .sha256, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
        ]
        for (key, message, hash, right) in codes {
            let secret = Secret(key)
            let code = secret.code(over: Array(message.utf8), with: hash)
            #expect(code.map(hexadecimal) == right)
            #expect(secret.verifies(code ?? [], over: Array(message.utf8), with: hash))
        }
        let keyed = TextDigest.keyed(by: Array("Jefe".utf8), "what do ya want for nothing?")
        #expect(keyed == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    }

    /// FIPS 180-4: the examples of NIST for "abc", and the digest of nothing.
    @Test func digests() {
        #expect(TextDigest.of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(TextDigest.of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        let abc = Array("abc".utf8)
        #expect(
            HashFunction.sha384.digest(of: abc).map(hexadecimal)
                == "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7")
        #expect(
            HashFunction.sha512.digest(of: abc).map(hexadecimal)
                == "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")
    }

    private func hexadecimal(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }
}
