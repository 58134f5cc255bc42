import Foundation
import Reactor

/// A certificate for 127.0.0.1 that signs itself, made once by the `openssl` command.
struct TestCertificate: Sendable {
    struct Failure: Error { let status: Int32 }

    static let shared: Result<TestCertificate, any Error> = Result {
        let made = try TestCertificate()
        atexit { if case .success(let made) = TestCertificate.shared { made.remove() } }
        return made
    }

    private let folder: URL
    var certificate: String { folder.appending(path: "certificate.pem").path }
    private var key: String { folder.appending(path: "key.pem").path }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "carillon-client-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2",
            "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(status: process.terminationStatus) }
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    /// For a server that shows it.
    func server() throws -> TLSContext { try TLSContext(TLSServerConfiguration(certificates: certificate, key: key)) }

    /// For a client that trusts it and nobody else.
    func client() throws -> TLSContext { try TLSContext(TLSClientConfiguration(authorities: certificate)) }
}
