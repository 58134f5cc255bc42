/// Why an encrypted connection was not made, or broke.
package enum TLSFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// The first bytes were an HTTP request. The socket is fit for a reply in plain HTTP.
    case plainHTTP
    /// The first bytes were nothing TLS begins with.
    case notTLS
    case noCommonVersion
    case noCommonCipher
    /// The client wants another protocol than HTTP/1.1 (ALPN).
    case noCommonProtocol
    case certificateRefused(CertificateRefusal)
    /// The client showed no certificate where one is required.
    case certificateMissing
    /// The other side gave up and said why (RFC 8446 6.2).
    case alert(UInt8)
    case closedInHandshake
    /// The connection ended without the word that says so (close_notify, RFC 8446 6.1).
    case truncated
    case socket(SystemError)
    /// Anything else, in OpenSSL's words.
    case broken(String)

    package var description: String {
        switch self {
        case .plainHTTP:
            "the other side speaks plain HTTP to a port for TLS; right would be https:// or wss://"
        case .notTLS:
            "the other side does not speak TLS on this port"
        case .noCommonVersion:
            "no TLS version in common; this side supports 1.2 and 1.3"
        case .noCommonCipher:
            "no cipher in common; this side supports only ciphers with forward secrecy"
        case .noCommonProtocol:
            "the client offers protocols without http/1.1 (ALPN)"
        case .certificateRefused(let refusal):
            refusal.description
        case .certificateMissing:
            "the client showed no certificate, and one is required"
        case .alert(let code):
            "the other side ended TLS: \(Self.meaning(of: code))"
        case .closedInHandshake:
            "the other side closed the connection during the TLS handshake"
        case .truncated:
            "the other side closed the connection without a TLS close_notify"
        case .socket(let error):
            error.description
        case .broken(let reason):
            "TLS failed: \(reason)"
        }
    }

    /// The alerts of RFC 8446 6.2 that operators meet.
    private static func meaning(of code: UInt8) -> String {
        switch code {
        case 40: "it found no parameters it accepts (alert 40, handshake_failure)"
        case 42: "our certificate is damaged or does not verify (alert 42, bad_certificate)"
        case 43: "our certificate is of a kind it does not take (alert 43, unsupported_certificate)"
        case 44: "our certificate is revoked (alert 44, certificate_revoked)"
        case 45: "our certificate has expired (alert 45, certificate_expired)"
        case 46: "it does not accept our certificate (alert 46, certificate_unknown)"
        case 48: "it does not know who signed our certificate (alert 48, unknown_ca)"
        case 49: "it denies us access (alert 49, access_denied)"
        case 51: "a signature or key of ours did not verify (alert 51, decrypt_error)"
        case 71: "it wants stronger parameters (alert 71, insufficient_security)"
        case 80: "it had an internal error (alert 80, internal_error)"
        case 112: "it has no certificate for the name we asked for (alert 112, unrecognized_name)"
        case 116: "it requires a certificate of us (alert 116, certificate_required)"
        case 120: "it speaks none of the protocols we offer (alert 120, no_application_protocol)"
        default: "alert \(code)"
        }
    }
}

/// A certificate of the other side that was not accepted.
package struct CertificateRefusal: Equatable, Sendable, CustomStringConvertible {
    package enum Cause: Equatable, Sendable {
        case expired
        case notYetValid
        case selfSigned
        /// Nobody who is trusted signed it.
        case unknownAuthority
        case wrongName
        case other
    }

    package let cause: Cause
    /// OpenSSL's words, for example `self-signed certificate`.
    package let reason: String
    /// The certificate at fault, which need not be the other side's own.
    package let certificate: TLSCertificate?
    /// The server name that was asked for.
    package let expectedName: String?

    package var description: String {
        let whose = certificate.map { $0.subject.isEmpty ? "" : " of '\($0.subject)'" } ?? ""
        let what = "the certificate\(whose) was refused: \(reason)"
        switch cause {
        case .expired:
            return what + (certificate.map { "; it was valid until \(TLSCertificate.text(of: $0.validUntil))" } ?? "")
        case .notYetValid:
            return what + (certificate.map { "; it is valid from \(TLSCertificate.text(of: $0.validFrom))" } ?? "")
        case .wrongName:
            return what + (expectedName.map { "; it is not for '\($0)'" } ?? "")
        case .selfSigned:
            return what + "; if it is right, name it as the file of authorities"
        case .unknownAuthority:
            return what + (certificate.map { "; '\($0.issuer)' signed it and is not trusted here" } ?? "")
        case .other:
            return what
        }
    }
}
