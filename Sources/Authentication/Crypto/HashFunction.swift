internal import COpenSSL

/// The hash functions of the algorithms (FIPS 180-4).
enum HashFunction: CaseIterable, Sendable {
    case sha256
    case sha384
    case sha512

    /// How long a digest is.
    var byteCount: Int {
        switch self {
        case .sha256: 32
        case .sha384: 48
        case .sha512: 64
        }
    }

    /// An `EVP_MD`. It is OpenSSL's own, and nobody frees it.
    var function: OpaquePointer? {
        switch self {
        case .sha256: EVP_sha256()
        case .sha384: EVP_sha384()
        case .sha512: EVP_sha512()
        }
    }

    /// The digest of some bytes; nil when OpenSSL has no memory, or its configuration leaves the function out.
    func digest(of bytes: [UInt8]) -> [UInt8]? {
        var digest = [UInt8](repeating: 0, count: byteCount)
        let isDone = ErrorQueue.emptied { EVP_Digest(bytes, bytes.count, &digest, nil, function, nil) == 1 }
        return isDone ? digest : nil
    }
}

extension SignatureAlgorithm {
    /// What it hashes the message with; nil for EdDSA, which takes the message itself.
    var hash: HashFunction? {
        switch self {
        case .hs256, .rs256, .ps256, .es256: .sha256
        case .hs384, .rs384, .ps384, .es384: .sha384
        case .hs512, .rs512, .ps512, .es512: .sha512
        case .edDSA: nil
        }
    }

    /// How it fills the block that RSA works on; nil for algorithms without RSA.
    var padding: RSAKey.Padding? {
        switch self {
        case .rs256, .rs384, .rs512: .pkcs1
        case .ps256, .ps384, .ps512: .pss
        case .hs256, .hs384, .hs512, .es256, .es384, .es512, .edDSA: nil
        }
    }
}
