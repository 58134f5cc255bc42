internal import COpenSSL

/// An `EVP_PKEY`: a public key, or a private one with its public part. Freed with its last reference.
///
/// Sendable: after `init` it is only handed to functions that sign and verify. They take it as it is, count their references
/// atomically, and guard what they cache in it by locks of their own, so threads may share it (openssl-threads(7)). What a
/// signature is computed in (`EVP_MD_CTX`) is made for each call.
final class EVPKey: @unchecked Sendable {
    private let pointer: OpaquePointer

    /// Makes a key of its numbers (EVP_PKEY_fromdata). Nil if OpenSSL refuses them.
    ///
    /// - Parameters:
    ///   - type: OpenSSL's name for the kind of key: "RSA", "EC".
    ///   - isPrivate: Whether the numbers are those of a private key too.
    init?(_ type: String, _ parameters: borrowing KeyParameters, isPrivate: Bool) {
        let selection = isPrivate ? carillon_EVP_PKEY_KEYPAIR : carillon_EVP_PKEY_PUBLIC_KEY
        let made: OpaquePointer? = parameters.withList { list in
            ErrorQueue.emptied {
                guard let context = EVP_PKEY_CTX_new_from_name(nil, type, nil) else { return nil }
                defer { EVP_PKEY_CTX_free(context) }
                var key: OpaquePointer?
                guard EVP_PKEY_fromdata_init(context) == 1, EVP_PKEY_fromdata(context, &key, selection, list) == 1
                else {
                    EVP_PKEY_free(key)
                    return nil
                }
                return key
            }
        }
        guard let made else { return nil }
        pointer = made
    }

    /// Makes a key of its bytes, for kinds of keys that have no numbers (RFC 8032). Nil if OpenSSL refuses them.
    init?(_ type: String, raw bytes: [UInt8], isPrivate: Bool) {
        let made = ErrorQueue.emptied {
            isPrivate
                ? EVP_PKEY_new_raw_private_key_ex(nil, type, nil, bytes, bytes.count)
                : EVP_PKEY_new_raw_public_key_ex(nil, type, nil, bytes, bytes.count)
        }
        guard let made else { return nil }
        pointer = made
    }

    deinit { EVP_PKEY_free(pointer) }

    /// Whether OpenSSL finds the numbers to be such as they have to be: for EC a point on the curve, and with `isPrivate` also a
    /// private key from 1 to n - 1 that has this point.
    func isConsistent(isPrivate: Bool) -> Bool {
        ErrorQueue.emptied {
            guard let context = EVP_PKEY_CTX_new_from_pkey(nil, pointer, nil) else { return false }
            defer { EVP_PKEY_CTX_free(context) }
            return (isPrivate ? EVP_PKEY_check(context) : EVP_PKEY_public_check_quick(context)) == 1
        }
    }

    /// Whether the signature is right.
    ///
    /// - Parameters:
    ///   - hash: Nil for EdDSA.
    ///   - padding: For RSA.
    func verifies(
        _ signature: [UInt8], over message: [UInt8], hash: HashFunction?, padding: RSAKey.Padding? = nil
    ) -> Bool {
        ErrorQueue.emptied {
            guard let context = EVP_MD_CTX_new() else { return false }
            defer { EVP_MD_CTX_free(context) }
            var options: OpaquePointer?  // the context's own
            guard EVP_DigestVerifyInit(context, &options, hash?.function, nil, pointer) == 1,
                padding?.isSet(in: options) != false
            else { return false }
            return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
        }
    }

    /// A signature in OpenSSL's form, which for ECDSA is DER. Nil if this is no private key, or OpenSSL fails.
    func signature(over message: [UInt8], hash: HashFunction?, padding: RSAKey.Padding? = nil) -> [UInt8]? {
        ErrorQueue.emptied {
            guard let context = EVP_MD_CTX_new() else { return nil }
            defer { EVP_MD_CTX_free(context) }
            var options: OpaquePointer?  // the context's own
            var count = 0
            guard EVP_DigestSignInit(context, &options, hash?.function, nil, pointer) == 1,
                padding?.isSet(in: options) != false,
                EVP_DigestSign(context, nil, &count, message, message.count) == 1
            else { return nil }
            var signature = [UInt8](repeating: 0, count: count)
            guard EVP_DigestSign(context, &signature, &count, message, message.count) == 1 else { return nil }
            return Array(signature.prefix(count))
        }
    }
}

extension RSAKey.Padding {
    /// Sets it in an `EVP_PKEY_CTX` that was begun with a hash function.
    ///
    /// PSS has a salt as long as the digest and MGF1 with the same hash function (RFC 7518 3.5), which is OpenSSL's choice
    /// if none is made.
    fileprivate func isSet(in context: OpaquePointer?) -> Bool {
        switch self {
        case .pkcs1: EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
        case .pss:
            EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1
                && EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1
        }
    }
}
