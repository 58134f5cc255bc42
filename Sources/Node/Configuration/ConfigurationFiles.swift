import Authentication
import Backplane
import Codec
import Reactor

/// What is wrong with the files that a configuration names: keys of tokens, certificates and their keys.
package struct FileInspection: Sendable {
    /// Each keeps a node from starting.
    package private(set) var errors: [String] = []
    package private(set) var warnings: [String] = []

    /// How long before its end a certificate is warned about.
    private static let notice: Duration = .seconds(14 * 86_400)

    /// Reads every file once; nothing is fetched.
    package init(_ configuration: Configuration) {
        if !configuration.authKeys.isEmpty {
            let keys = KeySource.inspect(configuration.authKeys)
            errors += keys.errors.map { "\($0)" }
            warnings += keys.warnings.map { "key left out: \($0)" }
            do throws(TokenRulesError) {
                _ = try TokenRules(
                    audiences: configuration.authAudiences, issuers: configuration.authIssuers,
                    leeway: configuration.authLeeway.components.seconds,
                    requiresExpiry: configuration.authRequiresExpiry)
            } catch {
                errors.append("\(error)")
            }
        }
        inspect("client.tls", configuration.clientTLS.server)
        inspect("admin.tls", configuration.adminTLS.server)
        if configuration.backplane == .redis, let tls = configuration.encryptedRedis.tls {
            do throws(TLSError) {
                check("backplane.redis.tls", try TLSContext(tls).certificate)
            } catch {
                errors.append("\(error)")
            }
        }
        // What only the library of the admin listener minds.
        if errors.isEmpty, configuration.adminTLS.isOn {
            do {
                _ = try AdminServer.server(configuration)
            } catch {
                errors.append("\(error)")
            }
        }
    }

    private mutating func inspect(_ section: String, _ files: TLSServerConfiguration?) {
        guard let files else { return }
        do throws(TLSError) {
            check(section, try TLSContext(files).certificate)
        } catch {
            errors.append("\(section): \(error)")
        }
    }

    private mutating func check(_ section: String, _ certificate: TLSCertificate?) {
        guard let certificate else { return }
        let left = certificate.validUntil - Int(clamping: WallClock.milliseconds / 1000)
        guard left < Int(Self.notice.components.seconds) else { return }
        warnings.append("\(section): the certificate \(certificate) ends in \(things(max(0, left) / 86_400, "day"))")
    }
}
