/// When a reload applies another value of a key.
package enum ReloadEffect: String, CaseIterable, Codable, Sendable {
    /// To everything that is open, at once.
    case now
    /// To connections, requests and logins from then on. What is open stays as it was opened.
    case newSessions = "new sessions"
    /// Not before the next start of the node: the value in force stays.
    case restart
}

extension ReloadEffect {
    /// The largest number of sessions a node has room for without a restart, unless it was started with a larger `limits.sessions`.
    package static let roomForSessions = 1_000_000

    /// Limits that are only counted while they are not 0: what is open already would not be in the count.
    private static let counted = [
        "limits.sessions_per_address", "limits.handshakes_per_address", "limits.sessions_per_user",
    ]

    /// When one change of a key is applied: as it is declared, but for the changes that are exceptions.
    ///
    /// - Parameters:
    ///   - declared: What the key's declaration says.
    ///   - old: The value of any key that is in force, as `ConfigurationEntry.match` has it; nil for an unknown key.
    ///   - new: The same of the values that were read.
    static func of(
        _ path: String, declared: ReloadEffect, old: (String) -> String?, new: (String) -> String?
    ) -> ReloadEffect {
        if counted.contains(path), (old(path) == "0") != (new(path) == "0") { return .restart }
        if path == "limits.sessions", let before = old(path).flatMap({ Int($0) }),
            let after = new(path).flatMap({ Int($0) }),
            after > max(before, roomForSessions)
        {
            return .restart
        }
        // TLS is turned on or off: half of its section would be another listener than either configuration means.
        let certificate = "client.tls.certificate"
        if path.hasPrefix("client.tls."), (old(certificate) == "none") != (new(certificate) == "none") {
            return .restart
        }
        return declared
    }
}
