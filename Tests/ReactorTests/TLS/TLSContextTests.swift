import Files
import Glibc
import Testing

@testable import Reactor

/// Contexts that cannot be made say why.
@Suite struct TLSContextTests {
    let files: TestCertificates

    init() throws { files = try TestCertificates.shared.get() }

    private func failure(certificates: String, key: String) -> TLSError? {
        do throws(TLSError) {
            _ = try TLSContext(
                TLSServerConfiguration(certificates: files.path(certificates), key: files.path(key)))
            return nil
        } catch {
            return error
        }
    }

    @Test func takesACertificateAndItsKey() throws {
        let context = try TLSContext(files.server())
        let certificate = try #require(context.certificate)
        #expect(certificate.subject == "CN=server.test")
        #expect(certificate.issuer == "CN=Test Authority")
        #expect(TLSCertificate.text(of: certificate.validUntil) == "2049-01-01 00:00:00 UTC")
    }

    @Test func saysWhatIsWrongWithTheCertificates() {
        #expect(
            failure(certificates: "none.pem", key: "server.key")
                == .unreadable(file: files.path("none.pem"), code: ENOENT))
        #expect(failure(certificates: "", key: "server.key") == .notRegular(file: files.path(""), .directory))
        #expect(
            failure(certificates: "pipe.pem", key: "server.key")
                == .notRegular(file: files.path("pipe.pem"), .pipe))
        #expect(
            failure(certificates: "large.pem", key: "server.key")
                == .tooLarge(file: files.path("large.pem"), limit: TLSContext.fileBytes))
        #expect(failure(certificates: "text.pem", key: "server.key") == .noCertificate(file: files.path("text.pem")))
        #expect(
            failure(certificates: "server.der", key: "server.key")
                == .noCertificate(file: files.path("server.der")))
        #expect(
            failure(certificates: "server.key", key: "server.key")
                == .noCertificate(file: files.path("server.key")))
        guard case .damagedCertificate = failure(certificates: "damaged.pem", key: "server.key") else {
            Issue.record("damaged.pem was read")
            return
        }
        guard case .refused(files.path("weak.pem"), let reason) = failure(certificates: "weak.pem", key: "weak.key")
        else {
            Issue.record("a key of 1024 bits was taken")
            return
        }
        #expect(reason.contains("too small"))
    }

    @Test func saysWhatIsWrongWithTheKey() {
        #expect(
            failure(certificates: "server.pem", key: "none.key")
                == .unreadable(file: files.path("none.key"), code: ENOENT))
        #expect(
            failure(certificates: "server.pem", key: "pipe.pem") == .notRegular(file: files.path("pipe.pem"), .pipe))
        #expect(failure(certificates: "server.pem", key: "text.pem") == .noKey(file: files.path("text.pem")))
        #expect(failure(certificates: "server.pem", key: "server.pem") == .noKey(file: files.path("server.pem")))
        #expect(
            failure(certificates: "server.pem", key: "locked.key")
                == .encryptedKey(file: files.path("locked.key")))
        guard case .damagedKey = failure(certificates: "server.pem", key: "damaged.key") else {
            Issue.record("damaged.key was read")
            return
        }
        #expect(
            failure(certificates: "server.pem", key: "client.key")
                == .keyMismatch(certificate: files.path("server.pem"), key: files.path("client.key")))
    }

    @Test func saysWhoseCertificateIsOutOfDate() {
        #expect(
            failure(certificates: "expired.pem", key: "expired.key")
                == .expired(
                    file: files.path("expired.pem"), subject: "CN=expired.test", until: "2021-01-01 00:00:00 UTC"))
        #expect(
            failure(certificates: "future.pem", key: "future.key")
                == .notYetValid(
                    file: files.path("future.pem"), subject: "CN=future.test", from: "2090-01-01 00:00:00 UTC"))
    }

    @Test func saysWhatIsWrongWithTheAuthorities() {
        #expect(throws: TLSError.noCertificate(file: files.path("text.pem"))) {
            try TLSContext(files.server(clients: .required(authorities: files.path("text.pem"))))
        }
        #expect(throws: TLSError.notRegular(file: files.path("pipe.pem"), .pipe)) {
            try TLSContext(TLSClientConfiguration(authorities: files.path("pipe.pem")))
        }
        #expect(throws: TLSError.unreadable(file: files.path("none.pem"), code: ENOENT)) {
            try TLSContext(TLSClientConfiguration(authorities: files.path("none.pem")))
        }
    }

    @Test func everyErrorNamesItsFile() {
        for error: TLSError in [
            .unreadable(file: "F", code: EACCES), .notRegular(file: "F", .pipe), .tooLarge(file: "F", limit: 1),
            .noCertificate(file: "F"),
            .damagedCertificate(file: "F", reason: ""), .noKey(file: "F"), .damagedKey(file: "F", reason: ""),
            .encryptedKey(file: "F"), .keyMismatch(certificate: "F", key: "K"),
            .expired(file: "F", subject: "S", until: "U"), .notYetValid(file: "F", subject: "S", from: "U"),
            .refused(file: "F", reason: ""), .noSystemAuthorities(file: "F", directory: "D"),
        ] { #expect(error.description.contains("F")) }
    }

    @Test func aFailedReloadChangesNothing() throws {
        let server = try TLSServer(files.server())
        let before = server.context
        #expect(throws: TLSError.self) { try server.reload(files.server("expired")) }
        #expect(server.context === before)
        #expect(try server.reload()?.subject == "CN=server.test")
        #expect(server.context !== before)
        #expect(try server.reload(files.server("second"))?.subject == "CN=second.test")
        #expect(server.context.certificate?.subject == "CN=second.test")
    }

    @Test func anEmptyProtocolNameIsRefused() {
        #expect(throws: TLSError.self) {
            try TLSContext(TLSClientConfiguration(verification: .none, protocols: ["http/1.1", ""]))
        }
    }
}
