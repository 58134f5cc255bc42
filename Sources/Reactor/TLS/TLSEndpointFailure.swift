import CLinux
internal import COpenSSL
import Glibc

/// What was wrong with a certificate, kept for the message: OpenSSL forgets the certificate.
final class RefusedCertificate {
    let code: Int32
    let certificate: TLSCertificate?

    init(code: Int32, certificate: TLSCertificate?) {
        self.code = code
        self.certificate = certificate
    }
}

/// Why an encrypted connection broke.
extension TLSEndpoint {
    /// Called by OpenSSL for each certificate of the other side; keeps the first one that is refused.
    static let rememberRefused: @convention(c) (Int32, OpaquePointer?) -> Int32 = { isAccepted, verification in
        guard isAccepted == 0 else { return isAccepted }
        guard
            let ssl = X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()),
            let state = BIO_get_data(SSL_get_rbio(OpaquePointer(ssl)))?.assumingMemoryBound(to: State.self),
            state.pointee.refused == nil
        else { return 0 }
        state.pointee.refused = RefusedCertificate(
            code: X509_STORE_CTX_get_error(verification),
            certificate: X509_STORE_CTX_get_current_cert(verification).map { TLSCertificate($0) })
        return 0
    }

    /// Remembers what the thread's queue of errors says now. From here on nothing is sent or received.
    func recordFailure() {
        state.pointee.marks.insert(.failed)
        state.pointee.failureCode = ERR_peek_error()
        ERR_clear_error()
    }

    /// Why nothing works any more; nil while it does.
    var failure: TLSFailure? {
        let state = state.pointee
        guard state.marks.contains(.failed) else { return nil }
        if let records = state.records, let failure = failureOwn(records) { return failure }
        // Where TLS itself has nothing to say it was the socket. It may have failed besides, under our last alert.
        if state.failureCode == 0, state.systemError != 0 {
            return .socket(SystemError(call: "TLS connection", code: state.systemError))
        }
        let reason = OpenSSLError.reason(of: state.failureCode)
        guard state.failureCode != 0, OpenSSLError.library(of: state.failureCode) == ERR_LIB_SSL else {
            if state.failureCode == 0, state.marks.contains(.ended) { return cutOff }
            return .broken(OpenSSLError.text(of: state.failureCode))
        }
        switch reason {
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST:
            return .plainHTTP
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_BAD_RECORD_TYPE, SSL_R_UNEXPECTED_MESSAGE, SSL_R_PACKET_LENGTH_TOO_LONG,
            SSL_R_RECORD_LENGTH_MISMATCH, SSL_R_RECORD_TOO_SMALL:
            return state.marks.contains(.isEstablished) ? .broken(OpenSSLError.text(of: state.failureCode)) : .notTLS
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_NO_PROTOCOLS_AVAILABLE, 1070:
            return .noCommonVersion
        case SSL_R_NO_SHARED_CIPHER, SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SHARED_GROUPS:
            return .noCommonCipher
        case SSL_R_NO_APPLICATION_PROTOCOL:
            return .noCommonProtocol
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return .certificateMissing
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
            return .certificateRefused(refusal)
        case SSL_R_UNEXPECTED_EOF_WHILE_READING:
            return cutOff
        // An alert of the other side (SSL_AD_REASON_OFFSET).
        case 1000...1255:
            return .alert(UInt8(reason - 1000))
        default:
            return .broken(OpenSSLError.text(of: state.failureCode))
        }
    }

    private var cutOff: TLSFailure {
        state.pointee.marks.contains(.isEstablished) ? .truncated : .closedInHandshake
    }

    private var refusal: CertificateRefusal {
        let ssl = state.pointee.ssl
        let code = state.pointee.refused?.code ?? Int32(truncatingIfNeeded: SSL_get_verify_result(ssl))
        let cause: CertificateRefusal.Cause =
            switch code {
            case X509_V_ERR_CERT_HAS_EXPIRED: .expired
            case X509_V_ERR_CERT_NOT_YET_VALID: .notYetValid
            case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: .selfSigned
            case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
                X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_SIGNATURE_FAILURE:
                .unknownAuthority
            case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: .wrongName
            default: .other
            }
        return CertificateRefusal(
            cause: cause, reason: String(cString: X509_verify_cert_error_string(Int(code))),
            certificate: state.pointee.refused?.certificate, expectedName: ssl.flatMap { ServerName.expected(of: $0) })
    }

    /// The failure as an errno, for those who only count: what the socket said, or EPROTO.
    var failureErrno: Int32 {
        switch failure {
        case .socket(let error): error.code
        case .truncated: ECONNRESET
        default: EPROTO
        }
    }
}
