/// What a server shows and asks for.
package struct TLSServerConfiguration: Equatable, Sendable {
    package enum ClientCertificates: Equatable, Sendable {
        case ignored
        /// A client may show a certificate; if it does, one of these authorities (a PEM file) has to have signed it.
        case requested(authorities: String)
        /// No certificate, no connection.
        case required(authorities: String)
    }

    /// Who encrypts and decrypts after a handshake with TLS 1.3.
    package enum Records: String, CaseIterable, Equatable, Sendable {
        /// Carillon, with the ciphers of OpenSSL: less memory and CPU.
        case own
        /// OpenSSL, as everything else.
        case openssl
    }

    /// A PEM file: the server's certificate first, then those that signed it, without the root.
    package var certificates: String
    /// A PEM file with the private key, not encrypted.
    package var key: String
    package var clientCertificates: ClientCertificates
    package var records: Records

    package init(
        certificates: String, key: String, clientCertificates: ClientCertificates = .ignored, records: Records = .own
    ) {
        self.certificates = certificates
        self.key = key
        self.clientCertificates = clientCertificates
        self.records = records
    }
}

/// Whom a client trusts, and as whom it shows itself.
package struct TLSClientConfiguration: Equatable, Sendable {
    package enum Verification: String, CaseIterable, Equatable, Sendable {
        /// A trusted authority signed the certificate, and it is for the server's name.
        case full
        /// A trusted authority signed the certificate; for whom is not asked.
        case ca
        /// Anybody: encrypted, but whoever is in between can read and change everything.
        case none
    }

    /// A certificate to show, and its key: PEM files.
    package struct Identity: Equatable, Sendable {
        package var certificates: String
        package var key: String

        package init(certificates: String, key: String) {
            self.certificates = certificates
            self.key = key
        }
    }

    package var verification: Verification
    /// A PEM file with the authorities to trust; nil trusts those the system trusts.
    package var authorities: String?
    package var identity: Identity?
    /// Offered by ALPN (RFC 7301), best first; each has 1 to 255 bytes.
    package var protocols: [String]

    package init(
        verification: Verification = .full, authorities: String? = nil, identity: Identity? = nil,
        protocols: [String] = []
    ) {
        self.verification = verification
        self.authorities = authorities
        self.identity = identity
        self.protocols = protocols
    }
}
