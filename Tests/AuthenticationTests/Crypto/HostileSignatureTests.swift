import Foundation
import Testing

@testable import Authentication

/// Signatures that others would have taken at some time.
@Suite struct HostileSignatureTests {
    private let fixtures: Fixtures
    private let hostile: HostileFixtures

    init() throws {
        fixtures = try Fixtures.load()
        hostile = try HostileFixtures.load()
    }

    @Test func onlyTheGoodOnesVerify() throws {
        #expect(hostile.signatures.count > 100)
        let message = Array(hostile.message.utf8)
        for entry in hostile.signatures {
            let algorithm = try #require(SignatureAlgorithm(name: entry.algorithm))
            let key = try fixtures.verificationKey(algorithm)
            let name = "\(entry.algorithm), \(entry.name)"
            #expect(key.verifies(Array(entry.signature), over: message) == entry.good, "\(name)")
            #expect(ErrorQueue.isEmpty, "\(name)")
            #expect(!key.verifies(Array(entry.signature), over: message + [0]), "\(name), another message")
            #expect(ErrorQueue.isEmpty, "\(name)")
        }
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func everyBitCounts(algorithm: SignatureAlgorithm) throws {
        let message = Array("header.claims".utf8)
        let key = try fixtures.verificationKey(algorithm)
        let signature = try fixtures.signingKey(algorithm).signature(over: message)
        #expect(key.verifies(signature, over: message))
        for index in signature.indices {
            var changed = signature
            changed[index] ^= 1 << UInt8(index % 8)
            #expect(!key.verifies(changed, over: message), "byte \(index)")
        }
        for length in [0, 1, signature.count - 1] {
            #expect(!key.verifies(Array(signature.prefix(length)), over: message), "\(length) bytes")
        }
        #expect(!key.verifies(signature + [0], over: message))
        #expect(!key.verifies([0] + signature, over: message))
        #expect(!key.verifies(signature + signature, over: message))
        #expect(ErrorQueue.isEmpty)
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func aKeyHasOneAlgorithm(algorithm: SignatureAlgorithm) throws {
        let message = Array("header.claims".utf8)
        let signature = try fixtures.signingKey(algorithm).signature(over: message)
        let material = try fixtures.verificationKey(algorithm).material
        for other in SignatureAlgorithm.allCases where other != algorithm {
            #expect(!material.verifies(signature, over: message, with: other), "\(other)")
            if other.family != algorithm.family {
                let own = try fixtures.signingKey(algorithm).verificationKey.material
                #expect(own.signature(over: message, with: other) == nil, "\(other)")
            }
        }
        #expect(ErrorQueue.isEmpty)
    }

    /// Reactors share keys.
    @Test func manyThreadsVerifyWithOneKey() async throws {
        let message = Array("header.claims".utf8)
        for algorithm in SignatureAlgorithm.allCases {
            let signing = try fixtures.signingKey(algorithm)
            let key = try fixtures.verificationKey(algorithm)
            let signature = try signing.signature(over: message)
            var wrong = signature
            wrong[8] ^= 1
            let bad = wrong
            let right = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        (0..<20).allSatisfy { _ in
                            guard let own = try? signing.signature(over: message) else { return false }
                            return key.verifies(signature, over: message) && !key.verifies(bad, over: message)
                                && key.verifies(own, over: message) && ErrorQueue.isEmpty
                        }
                    }
                }
                return await group.reduce(true) { $0 && $1 }
            }
            #expect(right, "\(algorithm)")
        }
    }
}
