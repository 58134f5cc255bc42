internal import COpenSSL

/// A secret for HMAC (RFC 2104). Its memory is overwritten before it is given back.
///
/// Sendable, because nothing changes the bytes between `init` and `deinit`.
final class Secret: @unchecked Sendable {
    private let bytes: UnsafeMutableRawBufferPointer

    /// How long it is, in bytes.
    var count: Int { bytes.count }

    init(_ secret: [UInt8]) {
        bytes = .allocate(byteCount: secret.count, alignment: 1)
        bytes.copyBytes(from: secret)
    }

    deinit {
        OPENSSL_cleanse(bytes.baseAddress, bytes.count)
        bytes.deallocate()
    }

    /// The authentication code of a message; nil when OpenSSL has no memory, or its configuration leaves the function out.
    func code(over message: [UInt8], with hash: HashFunction) -> [UInt8]? {
        guard let length = Int32(exactly: bytes.count) else { return nil }
        var code = [UInt8](repeating: 0, count: hash.byteCount)
        let result = ErrorQueue.emptied {
            HMAC(hash.function, bytes.baseAddress, length, message, message.count, &code, nil)
        }
        return result == nil ? nil : code
    }

    /// Whether the code is that of the message. Takes the same time for every wrong code of the right length.
    func verifies(_ code: [UInt8], over message: [UInt8], with hash: HashFunction) -> Bool {
        guard code.count == hash.byteCount, let right = self.code(over: message, with: hash) else { return false }
        return CRYPTO_memcmp(code, right, right.count) == 0
    }
}
