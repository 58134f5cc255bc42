import Glibc

@testable import Reactor

/// Certificates for the tests, made once by the `openssl` command in a directory of their own.
struct TestCertificates: Sendable {
    struct Failure: Error, CustomStringConvertible { let description: String }

    static let shared: Result<TestCertificates, any Error> = Result {
        let files = try TestCertificates()
        atexit { if case .success(let files) = TestCertificates.shared { files.remove() } }
        return files
    }

    let directory: String

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// A server's configuration with one of the certificates below.
    func server(
        _ name: String = "server", clients: TLSServerConfiguration.ClientCertificates = .ignored,
        records: TLSServerConfiguration.Records = .own
    ) -> TLSServerConfiguration {
        TLSServerConfiguration(
            certificates: path("\(name).pem"), key: path("\(name).key"), clientCertificates: clients, records: records)
    }

    func identity(_ name: String) -> TLSClientConfiguration.Identity {
        TLSClientConfiguration.Identity(certificates: path("\(name).pem"), key: path("\(name).key"))
    }

    private init() throws {
        var template = Array("/tmp/carillon-tls-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(description: SystemError.text(of: errno)) }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try authority("ca", "Test Authority")
        try authority("other-ca", "Other Authority")
        try signed("server", "server.test", names: "DNS:server.test,IP:127.0.0.1,IP:::1")
        try signed("second", "second.test", names: "DNS:server.test,IP:127.0.0.1")
        try signed("elsewhere", "elsewhere.test", names: "DNS:elsewhere.test")
        try signed("client", "client-7", names: "DNS:client")
        try signed("stranger", "stranger", names: "DNS:stranger", by: "other-ca")
        try signed("expired", "expired.test", names: "DNS:server.test", from: "20200101000000Z", to: "20210101000000Z")
        try signed("future", "future.test", names: "DNS:server.test", from: "20900101000000Z", to: "20910101000000Z")
        try authority("self", "self.test", names: "DNS:server.test")
        try openssl(["ec", "-aes256", "-passout", "pass:secret", "-in", path("server.key"), "-out", path("locked.key")])
        try openssl(["x509", "-in", path("server.pem"), "-outform", "DER", "-out", path("server.der")])
        try openssl([
            "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", path("weak.key"), "-out", path("weak.pem"),
            "-subj", "/CN=weak.test",
        ])
        try write("large.pem", String(repeating: "#", count: TLSContext.fileBytes + 1))
        guard mkfifo(path("pipe.pem"), 0o600) == 0 else { throw Failure(description: SystemError.text(of: errno)) }
        try write("text.pem", "nothing to see here\n")
        try write("damaged.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        try write("damaged.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    }

    /// A key and a certificate that signs itself.
    private func authority(_ file: String, _ name: String, names: String? = nil) throws {
        try openssl(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                "-keyout", path("\(file).key"), "-out", path("\(file).pem"), "-subj", "/CN=\(name)",
            ] + (names.map { ["-addext", "subjectAltName=\($0)"] } ?? []))
    }

    /// A key and a certificate that an authority signs.
    private func signed(
        _ file: String, _ name: String, names: String, by authority: String = "ca", from: String = "20200101000000Z",
        to: String = "20490101000000Z"
    ) throws {
        try write("\(file).index", "")
        try write("\(file).serial", "1000\n")
        try write(
            "\(file).cnf",
            """
            [ca]
            default_ca = test
            [test]
            database = \(path("\(file).index"))
            serial = \(path("\(file).serial"))
            new_certs_dir = \(directory)
            default_md = sha256
            policy = any
            x509_extensions = extensions
            [any]
            commonName = supplied
            [extensions]
            subjectAltName = \(names)

            """)
        try openssl([
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", path("\(file).key"), "-out", path("\(file).csr"), "-subj", "/CN=\(name)",
        ])
        try openssl([
            "ca", "-batch", "-notext", "-config", path("\(file).cnf"), "-cert", path("\(authority).pem"),
            "-keyfile", path("\(authority).key"), "-startdate", from, "-enddate", to, "-in", path("\(file).csr"),
            "-out", path("\(file).pem"),
        ])
    }

    private func remove() {
        guard let listing = opendir(directory) else { return }
        while let entry = readdir(listing) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            unlink(path(name))
        }
        closedir(listing)
        rmdir(directory)
    }

    private func write(_ name: String, _ text: String) throws {
        guard let file = fopen(path(name), "w") else { throw Failure(description: SystemError.text(of: errno)) }
        fputs(text, file)
        fclose(file)
    }

    /// Runs the command and waits for it.
    private func openssl(_ arguments: [String]) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor: Int32 in [1, 2] {
            posix_spawn_file_actions_addopen(
                &actions, descriptor, path("openssl.log"), O_WRONLY | O_CREAT | O_APPEND, 0o600)
        }
        var words = (["openssl"] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var child = pid_t()
        let spawned = posix_spawnp(&child, "openssl", &actions, nil, words, environ)
        guard spawned == 0 else { throw Failure(description: "openssl: \(SystemError.text(of: spawned))") }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else {
            throw Failure(description: "openssl \(arguments.joined(separator: " ")) failed: \(path("openssl.log"))")
        }
    }
}
