@testable import Authentication

/// JWK sets and PEM files: each key is one that can be used, or a problem with a place; no secret comes from a network,
/// no key takes a signature that is none, and what a private key signs its public part verifies.
enum JWKSTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        pem(String(decoding: input, as: UTF8.self))
        for acceptsSecrets in [false, true] {
            for algorithm: SignatureAlgorithm? in [nil, .hs256, .ps256] {
                guard
                    let set = try? JWKSet(
                        parsing: Array(input), origin: "set", algorithm: algorithm, acceptsSecrets: acceptsSecrets)
                else { continue }
                expect(set.keys.count + set.problems.count <= JWKSet.maximumKeys, "more keys than there may be")
                for problem in set.problems { expect(!"\(problem)".isEmpty, "a problem without words") }
                for key in set.keys { check(key, acceptsSecrets) }
                let keys = KeySet(set.keys)
                expect(keys.count + keys.problems.count == set.keys.count, "keys are lost without a word")
            }
        }
    }

    private static func check(_ key: VerificationKey, _ acceptsSecrets: Bool) {
        expect(key.algorithm.family == key.material.family, "a key with another kind's algorithm")
        expect(acceptsSecrets || key.material.family != .secret, "a secret came over the network")
        if let id = key.id {
            expect((1...VerificationKey.maximumIDBytes).contains(id.utf8.count), "an id out of bounds")
        }
        for count in [0, 32, 64, 96, 132, 256] {
            expect(!key.verifies([UInt8](repeating: 1, count: count), over: [1, 2, 3]), "a signature that is none")
        }
    }

    private static func pem(_ text: String) {
        if let key = try? VerificationKey(publicPEM: text, algorithm: nil) { check(key, false) }
        if let key = try? VerificationKey(publicPEM: text, algorithm: .rs256) { check(key, false) }
        for algorithm: SignatureAlgorithm? in [nil, .rs256] {
            guard let key = try? SigningKey(privatePEM: text, algorithm: algorithm) else { continue }
            let signature = try? key.signature(over: [1, 2, 3])
            expect(signature.map { key.verificationKey.verifies($0, over: [1, 2, 3]) } == true, "a pair that is none")
        }
    }
}
