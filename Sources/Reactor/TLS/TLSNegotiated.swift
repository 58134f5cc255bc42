internal import COpenSSL
import Glibc

/// What both sides agreed on.
package struct TLSNegotiated: Equatable, Sendable {
    /// `TLSv1.3`
    package let version: String
    /// `TLS_AES_256_GCM_SHA384`
    package let cipher: String
    /// By ALPN; nil when nobody asked.
    package let applicationProtocol: String?
    /// The server name the client asked for (SNI).
    package let serverName: String?
    /// An earlier session was resumed.
    package let isResumed: Bool
    /// What the other side showed.
    package let certificate: TLSCertificate?
}

extension TLSEndpoint {
    /// Nil before the handshake is done.
    var negotiated: TLSNegotiated? {
        let state = state.pointee
        guard state.marks.contains(.isEstablished) else { return nil }
        if let records = state.records {
            return TLSNegotiated(
                version: "TLSv1.3", cipher: records.pointee.outbound.keys.cipher.name,
                applicationProtocol: records.pointee.hasProtocol ? ApplicationProtocol.http : nil,
                serverName: records.pointee.peer?.serverName, isResumed: records.pointee.isResumed,
                certificate: records.pointee.peer?.certificate)
        }
        var start: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(state.ssl, &start, &count)
        let chosen = UnsafeBufferPointer(start: start, count: Int(count))
        return TLSNegotiated(
            version: String(cString: SSL_get_version(state.ssl)),
            cipher: SSL_CIPHER_get_name(SSL_get_current_cipher(state.ssl)).map { String(cString: $0) } ?? "none",
            applicationProtocol: count == 0 ? nil : String(decoding: chosen, as: UTF8.self),
            serverName: SSL_get_servername(state.ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) },
            isResumed: carillon_SSL_session_reused(state.ssl) == 1,
            certificate: carillon_SSL_get0_peer_certificate(state.ssl).map { TLSCertificate($0) })
    }
}
