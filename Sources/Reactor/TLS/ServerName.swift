import CLinux
internal import COpenSSL
import Glibc

/// The server a client means: checked against the certificate, and told to the server.
enum ServerName {
    static func expect(
        _ name: String?, _ verification: TLSClientConfiguration.Verification, _ ssl: OpaquePointer
    ) throws(TLSError) {
        guard let name, isUsable(name) else {
            if verification == .full || name != nil { throw .badServerName(name ?? "") }
            return
        }
        let isAddress = isAddress(name)
        if verification == .full {
            let isSet: Bool
            if isAddress {
                isSet = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1
            } else {
                SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
                isSet = SSL_set1_host(ssl, name) == 1
            }
            guard isSet else { throw .badServerName(name) }
        }
        // Addresses are not sent (RFC 6066 3).
        if !isAddress, carillon_SSL_set_tlsext_host_name(ssl, name) != 1 { throw .badServerName(name) }
    }

    /// What was expected of a connection, for people.
    static func expected(of ssl: OpaquePointer) -> String? {
        let parameters = SSL_get0_param(ssl)
        if let host = X509_VERIFY_PARAM_get0_host(parameters, 0) { return String(cString: host) }
        guard let address = X509_VERIFY_PARAM_get1_ip_asc(parameters) else { return nil }
        defer { CRYPTO_free(address, #fileID, #line) }
        return String(cString: address)
    }

    /// A host name has at most 255 bytes (RFC 1035 2.3.4), and a zero byte would end it early.
    private static func isUsable(_ name: String) -> Bool {
        (1...255).contains(name.utf8.count) && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    private static func isAddress(_ name: String) -> Bool {
        var six = in6_addr()
        return inet_pton(AF_INET, name, &six) == 1 || inet_pton(AF_INET6, name, &six) == 1
    }
}
