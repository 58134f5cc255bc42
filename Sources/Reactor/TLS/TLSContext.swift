internal import COpenSSL
import Glibc

/// Everything that connections of one kind have in common: certificates, authorities, versions, ciphers.
///
/// Made once and never changed, so that every reactor may use it; a connection keeps what it needs of it alive. It
/// speaks TLS 1.2 and 1.3, with forward secrecy only.
package final class TLSContext: @unchecked Sendable {
    enum Role: Equatable {
        case server
        case client(TLSClientConfiguration.Verification)
    }

    /// An `SSL_CTX`.
    let pointer: OpaquePointer
    let role: Role
    /// Whether records become ours after the handshake, where that is possible.
    let takesOver: Bool
    /// The certificate shown to the other side, if there is one.
    package let certificate: TLSCertificate?

    /// How long a session may be resumed instead of negotiated, in seconds.
    private static let ticketLifetime = 2 * 3600
    /// The largest file of certificates or a key, in bytes. The system's own list of authorities has some 220 KB.
    package static let fileBytes = 4 << 20
    /// TLS 1.2's; those of TLS 1.3 are all good.
    private static let ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20"

    /// Reads the files and checks them: a context that was made can be used now.
    package convenience init(_ configuration: TLSServerConfiguration) throws(TLSError) {
        try self.init(configuration, now: time(nil))
    }

    /// As if it were `now`, in seconds since 1970.
    init(_ configuration: TLSServerConfiguration, now: Int) throws(TLSError) {
        let context = try Self.make(TLS_server_method())
        do {
            certificate = try TLSIdentity(
                certificates: configuration.certificates, key: configuration.key
            ).install(in: context, now: now)
            try Self.ask(for: configuration.clientCertificates, context)
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        // Resumption by tickets alone: nothing is remembered here, so memory does not grow with clients. The keys of
        // the tickets belong to the context, so a reload makes earlier tickets void. One ticket, because whoever comes
        // back opens one connection.
        carillon_SSL_CTX_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        SSL_CTX_set_num_tickets(context, 1)
        SSL_CTX_set_timeout(context, Self.ticketLifetime)
        SSL_CTX_set_alpn_select_cb(context, ApplicationProtocol.select, nil)
        takesOver = configuration.records == .own
        if takesOver {
            SSL_CTX_set_keylog_callback(context, TLSTakeover.hear)
            // Nothing is read that OpenSSL does not ask for: what follows the handshake is for our own records.
            carillon_SSL_CTX_set_read_ahead(context, 0)
        }
        pointer = context
        role = .server
    }

    package init(_ configuration: TLSClientConfiguration) throws(TLSError) {
        let context = try Self.make(TLS_client_method())
        do {
            certificate = try configuration.identity.map { identity throws(TLSError) in
                try TLSIdentity(certificates: identity.certificates, key: identity.key).install(
                    in: context, now: time(nil))
            }
            if configuration.verification == .none {
                SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
            } else {
                SSL_CTX_set_verify(context, SSL_VERIFY_PEER, TLSEndpoint.rememberRefused)
                if let file = configuration.authorities {
                    try TLSAuthorities(file).trust(in: context)
                } else {
                    try TLSAuthorities.trustSystem(in: context)
                }
            }
            try ApplicationProtocol.offer(configuration.protocols, in: context)
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        carillon_SSL_CTX_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        takesOver = false
        pointer = context
        role = .client(configuration.verification)
    }

    deinit { SSL_CTX_free(pointer) }

    private static func make(_ method: OpaquePointer?) throws(TLSError) -> OpaquePointer {
        ERR_clear_error()
        guard let context = SSL_CTX_new(method) else {
            throw .library(doing: "make a context", reason: OpenSSLError.take())
        }
        SSL_CTX_set_options(context, carillon_ssl_options)
        // The kernel could encrypt (SSL_OP_ENABLE_KTLS), but then OpenSSL sends from the caller's memory and keeps its
        // address for the next try, although the buffer may move: bytes of another connection would go out
        // (github.com/openssl/openssl/issues/21202).
        carillon_SSL_CTX_set_mode(
            context, Int(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS)
        )
        // Whatever has come is taken from the socket at once, not the header of a record first and then the rest.
        carillon_SSL_CTX_set_read_ahead(context, 1)
        guard carillon_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1,
            carillon_SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1,
            SSL_CTX_set_cipher_list(context, ciphers) == 1
        else {
            SSL_CTX_free(context)
            throw .library(doing: "choose versions and ciphers", reason: OpenSSLError.take())
        }
        return context
    }

    private static func ask(
        for certificates: TLSServerConfiguration.ClientCertificates, _ context: OpaquePointer
    ) throws(TLSError) {
        switch certificates {
        case .ignored:
            SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
        case .requested(let file):
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, TLSEndpoint.rememberRefused)
            try TLSAuthorities(file).trust(in: context, naming: true)
        case .required(let file):
            SSL_CTX_set_verify(
                context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, TLSEndpoint.rememberRefused)
            try TLSAuthorities(file).trust(in: context, naming: true)
        }
        // Tickets carry the client's certificate, and OpenSSL wants to know whose they are.
        let name = Array("carillon".utf8)
        guard SSL_CTX_set_session_id_context(context, name, UInt32(name.count)) == 1 else {
            throw .library(doing: "name the sessions", reason: OpenSSLError.take())
        }
    }
}
