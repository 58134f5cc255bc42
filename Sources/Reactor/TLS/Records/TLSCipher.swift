internal import COpenSSL

/// The ciphers of TLS 1.3 that our own records know (RFC 8446 B.4).
enum TLSCipher: Int, CaseIterable {
    case aes128
    case aes256
    case chaCha20

    /// - Parameter suite: The number of the cipher suite; nil for one that is not known here.
    init?(suite: UInt16) {
        switch suite {
        case 0x1301: self = .aes128
        case 0x1302: self = .aes256
        case 0x1303: self = .chaCha20
        default: return nil
        }
    }

    /// As OpenSSL names it.
    var name: String {
        switch self {
        case .aes128: "TLS_AES_128_GCM_SHA256"
        case .aes256: "TLS_AES_256_GCM_SHA384"
        case .chaCha20: "TLS_CHACHA20_POLY1305_SHA256"
        }
    }

    var keyBytes: Int { self == .aes128 ? 16 : 32 }

    /// The secrets that keys are made of are as long as the suite's hash.
    var secretBytes: Int { self == .aes256 ? 48 : 32 }

    /// An `EVP_MD`.
    var hash: OpaquePointer? { self == .aes256 ? EVP_sha384() : EVP_sha256() }

    /// An `EVP_CIPHER`; nil where OpenSSL is configured not to have it.
    var algorithm: OpaquePointer? { Self.algorithms[rawValue] }

    nonisolated(unsafe) private static let algorithms: [OpaquePointer?] = allCases.map { cipher in
        let algorithm =
            switch cipher {
            case .aes128: EVP_CIPHER_fetch(nil, "AES-128-GCM", nil)
            case .aes256: EVP_CIPHER_fetch(nil, "AES-256-GCM", nil)
            case .chaCha20: EVP_CIPHER_fetch(nil, "ChaCha20-Poly1305", nil)
            }
        ERR_clear_error()
        return algorithm
    }
}
