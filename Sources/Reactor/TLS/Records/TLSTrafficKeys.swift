internal import COpenSSL
internal import Synchronization

/// The keys of one direction, and how many records they were used for (RFC 8446 5.2 and 5.3).
///
/// It stays where it is: in memory of its connection, which wipes it. A copy would be a second source of the same nonces.
struct TLSTrafficKeys: ~Copyable {
    let cipher: TLSCipher
    /// The number of the next record. A nonce is made of it, so it only ever grows.
    private(set) var sequence: UInt64
    /// Tells which keys a thread's tools have inside. Another one for each key, in the whole process.
    private(set) var identity: UInt64 = 0
    private var vector: (UInt32, UInt32, UInt32) = (0, 0, 0)
    private var key: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    private var secret: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)

    private static let identities = Atomic<UInt64>(1)

    /// Nil when the secret has not the length of the cipher's hash, or OpenSSL cannot make keys of it.
    init?(_ secret: UnsafeRawBufferPointer, _ cipher: TLSCipher, sequence: UInt64 = 0) {
        self.cipher = cipher
        self.sequence = sequence
        guard secret.count == cipher.secretBytes else { return nil }
        withUnsafeMutableBytes(of: &self.secret) { $0.copyMemory(from: secret) }
        guard makeKeys() else {
            wipe()
            return nil
        }
    }

    /// The nonce of the next record (RFC 8446 5.3).
    var nonce: (UInt32, UInt32, UInt32) {
        let number = sequence.bigEndian
        return (
            vector.0, vector.1 ^ UInt32(truncatingIfNeeded: number), vector.2 ^ UInt32(truncatingIfNeeded: number >> 32)
        )
    }

    mutating func withKey<Result>(_ body: (UnsafeMutableRawPointer?) -> Result) -> Result {
        withUnsafeMutableBytes(of: &key) { body($0.baseAddress) }
    }

    /// The record was made or read.
    ///
    /// - Returns: False when there is no next number: nothing may be encrypted with these keys any more.
    mutating func used() -> Bool {
        guard sequence < .max else { return false }
        sequence += 1
        return true
    }

    /// The next generation of keys (RFC 8446 7.2).
    mutating func update() -> Bool {
        let cipher = cipher
        let isMade = withUnsafeMutableBytes(of: &secret) { memory in
            let current = UnsafeMutableRawBufferPointer(rebasing: memory[..<cipher.secretBytes])
            return withUnsafeTemporaryAllocation(byteCount: 48, alignment: 8) { next in
                defer { OPENSSL_cleanse(next.baseAddress, next.count) }
                let target = UnsafeMutableRawBufferPointer(rebasing: next[..<current.count])
                guard TLSKeySchedule.expand(UnsafeRawBufferPointer(current), "traffic upd", cipher, into: target)
                else { return false }
                current.copyMemory(from: UnsafeRawBufferPointer(target))
                return true
            }
        }
        // The old key has encrypted with these numbers already. Where there is no new one, nothing may be encrypted any more, not even
        // the alert that says so.
        guard isMade, makeKeys() else {
            sequence = .max
            return false
        }
        sequence = 0
        return true
    }

    private mutating func makeKeys() -> Bool {
        identity = Self.identities.wrappingAdd(1, ordering: .relaxed).newValue
        let cipher = cipher
        return withUnsafeBytes(of: &secret) { memory in
            let secret = UnsafeRawBufferPointer(rebasing: memory[..<cipher.secretBytes])
            let hasKey = withUnsafeMutableBytes(of: &key) {
                TLSKeySchedule.expand(
                    secret, "key", cipher, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<cipher.keyBytes]))
            }
            return hasKey
                && withUnsafeMutableBytes(of: &vector) {
                    TLSKeySchedule.expand(
                        secret, "iv", cipher, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<12]))
                }
        }
    }

    mutating func wipe() {
        withUnsafeMutableBytes(of: &key) { OPENSSL_cleanse($0.baseAddress, $0.count) }
        withUnsafeMutableBytes(of: &vector) { OPENSSL_cleanse($0.baseAddress, $0.count) }
        withUnsafeMutableBytes(of: &secret) { OPENSSL_cleanse($0.baseAddress, $0.count) }
    }
}
