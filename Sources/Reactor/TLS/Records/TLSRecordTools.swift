internal import COpenSSL

/// Encrypts and decrypts records with OpenSSL's ciphers.
///
/// A cipher's context has hundreds of bytes for each direction of a connection, and to give it a key costs less than what
/// a delivery costs in the system. So every thread has one for each cipher and direction, and it gets the key
/// of whichever connection it works for (docs/decisions/0046-records.md).
enum TLSRecordTools {
    /// Makes the next record.
    ///
    /// - Parameters:
    ///   - count: Bytes of content, at most 16 KiB.
    ///   - pieces: Is called once, and calls back for each piece of the content in its order.
    ///   - target: Has room for the content and `TLSRecord.overheadBytes`.
    /// - Returns: How long the record is; nil when OpenSSL refuses, and the connection is over.
    @inline(__always)
    static func seal(
        _ type: UInt8, _ count: Int, with keys: inout TLSTrafficKeys, into target: UnsafeMutableRawPointer,
        _ pieces: ((UnsafeRawPointer, Int) -> Void) -> Void
    ) -> Int? {
        guard let context = context(for: &keys, isSealing: true) else { return nil }
        let body = count + 1 + TLSRecord.tagBytes
        writeHeader(body, to: target)
        let bytes = target.assumingMemoryBound(to: UInt8.self)
        var made: Int32 = 0
        guard EVP_EncryptUpdate(context, nil, &made, bytes, Int32(TLSRecord.headerBytes)) == 1 else { return nil }
        var end = TLSRecord.headerBytes
        var isWell = true
        pieces { start, length in
            isWell =
                isWell
                && EVP_EncryptUpdate(
                    context, bytes + end, &made, start.assumingMemoryBound(to: UInt8.self), Int32(length)) == 1
                && Int(made) == length
            end += length
        }
        var type = type
        guard isWell, end == TLSRecord.headerBytes + count,
            EVP_EncryptUpdate(context, bytes + end, &made, &type, 1) == 1,
            EVP_EncryptFinal_ex(context, bytes + end + 1, &made) == 1,
            EVP_CIPHER_CTX_ctrl(
                context, EVP_CTRL_AEAD_GET_TAG, Int32(TLSRecord.tagBytes), bytes + end + 1) == 1,
            keys.used()
        else { return nil }
        return TLSRecord.headerBytes + body
    }

    /// Decrypts a record's body where it is.
    ///
    /// - Parameter record: All of it, from its header to its tag.
    /// - Returns: Whether it is authentic. When not, its bytes are worth nothing.
    static func open(_ record: UnsafeMutableRawBufferPointer, with keys: inout TLSTrafficKeys) -> Bool {
        let count = record.count - TLSRecord.headerBytes - TLSRecord.tagBytes
        guard count > 0, let start = record.baseAddress?.assumingMemoryBound(to: UInt8.self),
            let context = context(for: &keys, isSealing: false)
        else { return false }
        let body = start + TLSRecord.headerBytes
        var made: Int32 = 0
        return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(TLSRecord.tagBytes), body + count) == 1
            && EVP_DecryptUpdate(context, nil, &made, start, Int32(TLSRecord.headerBytes)) == 1
            && EVP_DecryptUpdate(context, body, &made, body, Int32(count)) == 1
            && EVP_DecryptFinal_ex(context, body + count, &made) == 1
            && keys.used()
    }

    /// Nothing of these keys stays in the thread's tools.
    static func forget(_ keys: borrowing TLSTrafficKeys) {
        let tools = tools()
        for isSealing in [true, false] {
            let index = index(keys.cipher, isSealing)
            guard carillon_record_tools_identity(tools, index) == keys.identity else { continue }
            // Frees and wipes what is inside.
            EVP_CIPHER_CTX_free(carillon_record_tools_context(tools, index))
            carillon_record_tools_set(tools, index, nil, 0)
        }
    }

    /// Room for as many records as are sent at once.
    static var scratch: UnsafeMutableRawPointer? { carillon_record_tools_scratch(tools()) }

    /// The tools of this thread.
    ///
    /// Never inlined: each object file into which the C function is inlined has tools of its own, and `forget` would not find
    /// a key in those of another one.
    @inline(never)
    private static func tools() -> carillon_record_tools_pointer { carillon_record_tools() }

    private static func index(_ cipher: TLSCipher, _ isSealing: Bool) -> Int32 {
        Int32(cipher.rawValue * 2 + (isSealing ? 1 : 0))
    }

    /// The thread's context for a cipher, with the key and the nonce of the next record.
    @inline(__always)
    private static func context(for keys: inout TLSTrafficKeys, isSealing: Bool) -> OpaquePointer? {
        let tools = tools()
        let index = index(keys.cipher, isSealing)
        let direction: Int32 = isSealing ? 1 : 0
        let identity = keys.identity
        var nonce = keys.nonce
        return withUnsafeBytes(of: &nonce) { nonce in
            let vector = nonce.baseAddress?.assumingMemoryBound(to: UInt8.self)
            if let context = carillon_record_tools_context(tools, index) {
                if carillon_record_tools_identity(tools, index) == identity {
                    return EVP_CipherInit_ex2(context, nil, nil, vector, direction, nil) == 1 ? context : nil
                }
                let isReady = keys.withKey {
                    EVP_CipherInit_ex2(
                        context, nil, $0?.assumingMemoryBound(to: UInt8.self), vector, direction, nil) == 1
                }
                carillon_record_tools_set(tools, index, context, isReady ? identity : 0)
                return isReady ? context : nil
            }
            guard let algorithm = keys.cipher.algorithm, let context = EVP_CIPHER_CTX_new() else { return nil }
            let isReady = keys.withKey {
                EVP_CipherInit_ex2(
                    context, algorithm, $0?.assumingMemoryBound(to: UInt8.self), vector, direction, nil) == 1
            }
            carillon_record_tools_set(tools, index, context, isReady ? identity : 0)
            return isReady ? context : nil
        }
    }

    /// The header says application data of TLS 1.2, whatever is inside (RFC 8446 5.2).
    private static func writeHeader(_ body: Int, to target: UnsafeMutableRawPointer) {
        let bytes = target.assumingMemoryBound(to: UInt8.self)
        bytes[0] = TLSRecord.ContentType.applicationData
        bytes[1] = 3
        bytes[2] = 3
        bytes[3] = UInt8(truncatingIfNeeded: body >> 8)
        bytes[4] = UInt8(truncatingIfNeeded: body)
    }
}
