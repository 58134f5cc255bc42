import Foundation
import Glibc
import Testing

@testable import Authentication

@Suite struct KeySourceTests {
    private let fixtures: Fixtures
    private let directory: URL

    init() throws {
        fixtures = try Fixtures.load()
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("carillon-\(UUID())")
    }

    private func refusal(_ source: KeySource) -> KeyError.Reason? {
        do {
            _ = try source.load()
            return nil
        } catch {
            #expect(error.origin == source.origin)
            return error.reason
        }
    }

    /// Runs with a file that is gone afterwards.
    private func withFile<Result>(_ text: String, _ body: (String) throws -> Result) throws -> Result {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("key")
        try Data(text.utf8).write(to: file)
        return try body(file.path)
    }

    private func pemRefusal(_ text: String, _ algorithm: SignatureAlgorithm? = nil) throws -> KeyError.Reason? {
        try withFile(text) { refusal(KeySource(.pem($0), algorithm: algorithm)) }
    }

    @Test func secrets() throws {
        let key = try #require(try KeySource(.secret(String(repeating: "s", count: 32)), id: "k").load().keys.first)
        #expect(key.algorithm == .hs256)
        #expect(key.id == "k")
        let short = KeySource(.secret(String(repeating: "s", count: 31)))
        #expect(refusal(short) == .secretTooShort(bytes: 31))
        #expect(refusal(KeySource(.secret(""))) == .secretTooShort(bytes: 0))
        let mismatch = KeySource(.secret(fixtures.secret), algorithm: .rs256)
        #expect(refusal(mismatch) == .algorithmMismatch(.rs256, .secret))
    }

    @Test func errorsNeverHoldTheSecret() {
        let source = KeySource(.secret("swordfish"))
        #expect(!source.origin.contains("swordfish"))
        do {
            _ = try source.load()
            Issue.record("accepted")
        } catch {
            #expect(!"\(error)".contains("swordfish"))
            #expect("\(error)".contains("9 bytes"))
            #expect("\(error)".contains("at least 32"))
        }
    }

    @Test func pemFiles() throws {
        for (name, algorithm) in [
            ("p256", SignatureAlgorithm.es256), ("p384", .es384), ("p521", .es512), ("ed25519", .edDSA),
        ] {
            let pem = try fixtures.key(name).public
            let keys = try withFile("a comment before\n" + pem) { try KeySource(.pem($0)).load().keys }
            #expect(keys.map(\.algorithm) == [algorithm])
            #expect(try pemRefusal(pem, .rs256) == .algorithmMismatch(.rs256, algorithm.family))
        }
        let rsa = try fixtures.key("rsa").public
        #expect(try pemRefusal(rsa) == .algorithmMissing(.rsa))
        #expect(try pemRefusal(rsa, .es256) == .algorithmMismatch(.es256, .rsa))
        #expect(try pemRefusal(rsa, .hs256) == .algorithmMismatch(.hs256, .rsa))
        #expect(try pemRefusal(rsa, .ps384) == nil)
        #expect(try pemRefusal(rsa.replacing("\n", with: "\r\n"), .rs512) == nil)
        #expect(try pemRefusal(fixtures.key("rsa1024").public, .rs256) == .rsaSize(bits: 1024))
    }

    @Test func pemFilesThatAreSomethingElse() throws {
        let pem = try fixtures.key("p256").public
        #expect(try pemRefusal(fixtures.key("p256").private) == .privateKeyForVerifying)
        #expect(try pemRefusal(try #require(fixtures.key("rsa").traditional), .rs256) == .privateKeyForVerifying)
        #expect(try pemRefusal("") == .notPEM)
        #expect(try pemRefusal(fixtures.secret) == .notPEM)
        #expect(try pemRefusal(pem + pem) == .notPEM)
        #expect(try pemRefusal(String(pem.dropLast(30))) == .notPEM)
        #expect(try pemRefusal(pem.replacing("PUBLIC KEY", with: "CERTIFICATE")) == .certificate)
        #expect(try pemRefusal(pem.replacing("PUBLIC KEY", with: "SSH2 PUBLIC KEY")) == .unsupportedKey)
        #expect(try pemRefusal("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----") == .unsupportedKey)
        #expect(try pemRefusal("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----") == .unsupportedKey)
        #expect(try pemRefusal("-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----") == .notPEM)
    }

    @Test func filesThatCannotBeRead() throws {
        for path in ["/nonexistent/key.pem", "/"] {
            guard case .unreadable = refusal(KeySource(.pem(path))) else {
                Issue.record("\(path)")
                continue
            }
        }
        #expect(refusal(KeySource(.pem("/"))) == .unreadable("it is a directory, not a regular file"))
        try withFile("") { path in
            unlink(path)
            #expect(mkfifo(path, 0o600) == 0)
            // Nobody writes into it, and nobody waits for that.
            for location: KeySource.Location in [.secretFile(path), .pem(path), .jwksFile(path)] {
                #expect(refusal(KeySource(location)) == .unreadable("it is a pipe, not a regular file"))
            }
        }
        try withFile(String(repeating: " ", count: (1 << 20) + 1)) { path in
            #expect(refusal(KeySource(.pem(path))) == .fileTooLarge)
            #expect(refusal(KeySource(.jwksFile(path))) == .fileTooLarge)
        }
    }

    @Test func urls() {
        for text in ["", "x", "/jwks", "ftp://a/b", "https://", "https:///a", "https://u:p@a/b", "https://u@a/", "a b"]
        {
            #expect(refusal(KeySource(.jwksURL(text))) == .badURL, "\(text)")
        }
        #expect(refusal(KeySource(.jwksURL("http://issuer.example/jwks"))) == .plainHTTP)
        #expect(refusal(KeySource(.jwksURL("http://127.0.0.1.example/jwks"))) == .plainHTTP)
        #expect(refusal(KeySource(.jwksURL("http://issuer.example/jwks"), allowsPlainHTTP: true)) == nil)
        for host in ["localhost", "127.0.0.1:8080", "[::1]:8080"] {
            #expect(refusal(KeySource(.jwksURL("http://\(host)/jwks"))) == nil, "\(host)")
        }
        #expect(refusal(KeySource(.jwksURL("https://issuer.example/jwks?x=1"))) == nil)
        let often = KeySource(.jwksURL("https://issuer.example/jwks"), interval: .seconds(9))
        #expect(refusal(often) == .interval)
        let place = KeySource(.jwksURL("https://user:pass@issuer.example/jwks?token=hidden")).origin
        #expect(place == "JWKS URL https://issuer.example/jwks")
    }

    @Test func keyIDs() {
        let secret = KeySource.Location.secret(fixtures.secret)
        #expect(refusal(KeySource(secret, id: "")) == .keyIDTooLong)
        #expect(refusal(KeySource(secret, id: String(repeating: "k", count: 256))) == .keyIDTooLong)
        #expect(refusal(KeySource(secret, id: String(repeating: "k", count: 255))) == nil)
    }

    @Test func signingKeysAreHeldToTheSame() throws {
        #expect(throws: KeyError.self) { try SigningKey(secret: Array("short".utf8)) }
        let rsa = try fixtures.key("rsa")
        #expect(throws: KeyError("PEM", .publicKeyForSigning)) {
            try SigningKey(privatePEM: rsa.public, algorithm: .rs256)
        }
        #expect(throws: KeyError("PEM", .algorithmMissing(.rsa))) { try SigningKey(privatePEM: rsa.private) }
        let small = try fixtures.key("rsa1024")
        #expect(throws: KeyError("PEM", .rsaSize(bits: 1024))) {
            try SigningKey(privatePEM: small.private, algorithm: .rs256)
        }
    }
}
