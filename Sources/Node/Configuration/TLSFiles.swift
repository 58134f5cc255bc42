package import Reactor

/// The files of one listener's TLS, as they are configured.
package struct TLSFiles: Equatable, Sendable {
    package enum ClientCertificates: String, CaseIterable, Sendable {
        case ignored, requested, required
    }

    package var certificate: String?
    package var key: String?
    package var authorities: String?
    package var clientCertificates = ClientCertificates.ignored
    package var records = TLSServerConfiguration.Records.own

    package init() {}

    package var isOn: Bool { certificate != nil }

    /// Nil without TLS.
    package var server: TLSServerConfiguration? {
        guard let certificate, let key else { return nil }
        let clients: TLSServerConfiguration.ClientCertificates =
            switch (clientCertificates, authorities) {
            case (.requested, let authorities?): .requested(authorities: authorities)
            case (.required, let authorities?): .required(authorities: authorities)
            default: .ignored
            }
        return TLSServerConfiguration(
            certificates: certificate, key: key, clientCertificates: clients, records: records)
    }

    func findings(in section: String) -> [ConfigurationFinding] {
        var found: [ConfigurationFinding] = []
        if (certificate == nil) != (key == nil) {
            found.append(
                .error(
                    ["\(section).certificate", "\(section).key"],
                    "\(section).certificate and \(section).key belong together: set both or none"))
        }
        if clientCertificates != .ignored, authorities == nil {
            found.append(
                .error(
                    ["\(section).client_certificates", "\(section).authorities"],
                    "\(section).client_certificates needs \(section).authorities, the CA certificates that verify them")
            )
        }
        if certificate == nil, authorities != nil || clientCertificates != .ignored {
            found.append(
                .error(
                    ["\(section).authorities", "\(section).certificate"],
                    "\(section).authorities has no effect without \(section).certificate"))
        }
        if clientCertificates == .ignored, authorities != nil {
            found.append(
                .warning(
                    ["\(section).authorities", "\(section).client_certificates"],
                    "\(section).authorities has no effect while \(section).client_certificates is ignored: no client certificate is checked; set it to required or requested"
                ))
        }
        return found
    }
}
