import CLinux
package import Files
import Glibc

/// Why a TLS context could not be made: what is wrong with which file, and what would be right.
package enum TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    case unreadable(file: String, code: Int32)
    /// A pipe, a directory or something else that is no regular file.
    case notRegular(file: String, FileKind)
    case tooLarge(file: String, limit: Int)
    case noCertificate(file: String)
    case damagedCertificate(file: String, reason: String)
    case noKey(file: String)
    case damagedKey(file: String, reason: String)
    case encryptedKey(file: String)
    case keyMismatch(certificate: String, key: String)
    /// The certificate's subject, and from when it is valid.
    case notYetValid(file: String, subject: String, from: String)
    /// The certificate's subject, and until when it was valid.
    case expired(file: String, subject: String, until: String)
    /// OpenSSL does not take it, for example because the key is too short.
    case refused(file: String, reason: String)
    case noSystemAuthorities(file: String, directory: String)
    /// A server's name is to be checked, and none was given, or none that could be in a certificate.
    case badServerName(String)
    case library(doing: String, reason: String)

    /// A file that was not read.
    package init(_ error: FileError, file: String) {
        self =
            switch error {
            case .system(let code): .unreadable(file: file, code: code)
            case .notRegular(let kind): .notRegular(file: file, kind)
            case .tooLarge(let limit): .tooLarge(file: file, limit: limit)
            }
    }

    package var description: String {
        switch self {
        case .unreadable(let file, let code):
            "cannot read \(file): \(SystemError.text(of: code))"
        case .notRegular(let file, let kind):
            "cannot read \(file): it is \(kind.text), not a regular file"
        case .tooLarge(let file, let limit):
            "\(file) is larger than \(limit) bytes: that is no certificate or key file"
        case .noCertificate(let file):
            "\(file) has no certificate in PEM form; right would be lines between -----BEGIN CERTIFICATE----- and "
                + "-----END CERTIFICATE-----"
        case .damagedCertificate(let file, let reason):
            "a certificate in \(file) is damaged: \(reason)"
        case .noKey(let file):
            "\(file) has no private key in PEM form; right would be lines between -----BEGIN PRIVATE KEY----- and "
                + "-----END PRIVATE KEY-----"
        case .damagedKey(let file, let reason):
            "the private key in \(file) is damaged: \(reason)"
        case .encryptedKey(let file):
            "the private key in \(file) is encrypted, and there is nobody to ask for its passphrase; right would be a "
                + "key without one, readable for this user only"
        case .keyMismatch(let certificate, let key):
            "the private key in \(key) does not belong to the first certificate in \(certificate); the server's own "
                + "certificate comes first, then those that signed it"
        case .notYetValid(let file, let subject, let from):
            "the certificate of '\(subject)' in \(file) is not valid before \(from); is the clock right?"
        case .expired(let file, let subject, let until):
            "the certificate of '\(subject)' in \(file) has expired: it was valid until \(until)"
        case .refused(let file, let reason):
            "\(file) cannot be used: \(reason)"
        case .noSystemAuthorities(let file, let directory):
            "the system has no list of certificate authorities, neither \(file) nor anything in \(directory); right "
                + "would be the package ca-certificates, or a file of one's own"
        case .badServerName(let name):
            "'\(name)' is no name a server's certificate could be checked against; right would be a host name or an "
                + "IP address"
        case .library(let doing, let reason):
            "TLS library: \(doing): \(reason)"
        }
    }
}
