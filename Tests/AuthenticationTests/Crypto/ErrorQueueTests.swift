import COpenSSL
import Testing

@testable import Authentication

/// What is left in OpenSSL's queue would be taken for an error of the next connection on the thread.
@Suite struct ErrorQueueTests {
    private func leaveAnError() { #expect(EVP_PKEY_CTX_new_from_name(nil, "no such kind of key", nil) == nil) }

    @Test func aFailureIsForgotten() {
        leaveAnError()
        #expect(!ErrorQueue.isEmpty)
        ErrorQueue.emptied {}
        #expect(ErrorQueue.isEmpty)
        ErrorQueue.emptied { leaveAnError() }
        #expect(ErrorQueue.isEmpty)
    }

    @Test func whatOpenSSLRefuses() throws {
        let fixtures = try Fixtures.load()
        // Each of these reaches OpenSSL and fails there.
        #expect(EVPKey("no such kind of key", KeyParameters(), isPrivate: false) == nil)
        #expect(ErrorQueue.isEmpty)
        #expect(EVPKey("RSA", KeyParameters(), isPrivate: false) == nil)
        #expect(ErrorQueue.isEmpty)
        #expect(EVPKey("ED25519", raw: [1], isPrivate: false) == nil)
        #expect(ErrorQueue.isEmpty)
        let zero = [UInt8](repeating: 0, count: 32)
        #expect(EllipticKey(.p256, x: zero, y: zero) == nil)
        #expect(ErrorQueue.isEmpty)
        #expect(EllipticKey(.p256, scalar: zero) == nil)
        #expect(ErrorQueue.isEmpty)
        let public256 = try fixtures.verificationKey(.es256).material
        #expect(public256.signature(over: [1], with: .es256) == nil)
        #expect(ErrorQueue.isEmpty)
        #expect(!public256.verifies([UInt8](repeating: 0, count: 64), over: [1], with: .es256))
        #expect(ErrorQueue.isEmpty)
    }
}
