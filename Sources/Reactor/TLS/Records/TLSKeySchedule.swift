internal import COpenSSL

/// What keys are made of (RFC 8446 7.1 to 7.3), as far as it happens after the handshake.
enum TLSKeySchedule {
    /// HKDF-Expand-Label with an empty context. Never longer than the hash, so that it is one round of HMAC.
    ///
    /// - Returns: Whether it worked; when not, OpenSSL has no memory, or is configured without the hash.
    static func expand(
        _ secret: UnsafeRawBufferPointer, _ label: StaticString, _ cipher: TLSCipher,
        into target: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard target.count <= cipher.secretBytes, label.utf8CodeUnitCount <= 16 else { return false }
        // struct HkdfLabel, and the number of the round behind it (RFC 5869 2.3).
        return withUnsafeTemporaryAllocation(byteCount: 96, alignment: 8) { memory in
            var count = 0
            func add(_ byte: UInt8) {
                memory[count] = byte
                count += 1
            }
            add(0)
            add(UInt8(truncatingIfNeeded: target.count))
            add(UInt8(truncatingIfNeeded: 6 + label.utf8CodeUnitCount))
            let prefix: StaticString = "tls13 "
            for text in [prefix, label] {
                for index in 0..<text.utf8CodeUnitCount { add(text.utf8Start[index]) }
            }
            add(0)
            add(1)
            let output = memory.baseAddress! + count  // trap-ok: an allocation of 96 bytes has an address
            var made: UInt32 = 0
            defer { OPENSSL_cleanse(output, cipher.secretBytes) }
            guard
                HMAC(
                    cipher.hash, secret.baseAddress, Int32(secret.count),
                    memory.baseAddress?.assumingMemoryBound(to: UInt8.self), count,
                    output.assumingMemoryBound(to: UInt8.self), &made) != nil, Int(made) == cipher.secretBytes
            else {
                ERR_clear_error()
                return false
            }
            target.copyMemory(from: UnsafeRawBufferPointer(start: output, count: target.count))
            return true
        }
    }
}
