import Glibc
import Testing

@testable import Reactor

/// Who gets a connection, and what those hear who get none.
@Suite struct TLSHandshakeTests {
    let files: TestCertificates
    let trusting: TLSClientConfiguration

    init() throws {
        files = try TestCertificates.shared.get()
        trusting = TLSClientConfiguration(authorities: files.path("ca.pem"))
    }

    /// Made while its certificate was still valid.
    private var expired: TLSContext {
        get throws { try TLSContext(files.server("expired"), now: 1_600_000_000) }
    }

    @Test(arguments: ["server.test", "127.0.0.1", "::1"], TLSServerConfiguration.Records.allCases)
    func bothSidesAgree(name: String, records: TLSServerConfiguration.Records) throws {
        let pair = try TLSPair(try TLSContext(files.server(records: records)), client: trusting, name: name)
        defer { pair.close() }
        #expect(pair.server.negotiated == nil)
        let (server, client) = try pair.shakeHands()
        #expect(server == .done)
        #expect(client == .done)
        let agreed = try #require(pair.server.negotiated)
        #expect(agreed.version == "TLSv1.3")
        #expect(agreed.cipher == "TLS_AES_256_GCM_SHA384")
        #expect(!agreed.isResumed)
        #expect(agreed.applicationProtocol == nil)
        // An address is not told to the server.
        #expect(agreed.serverName == (name == "server.test" ? name : nil))
        #expect(agreed.certificate == nil)
        #expect(pair.client.negotiated?.certificate?.subject == "CN=server.test")
        #expect(TLSPair.send(pair.client, Array("up".utf8)) == .bytes(2))
        #expect(TLSPair.readAll(pair.server, upTo: 2).bytes == Array("up".utf8))
        #expect(TLSPair.send(pair.server, Array("down".utf8)) == .bytes(4))
        #expect(TLSPair.readAll(pair.client, upTo: 4).bytes == Array("down".utf8))
    }

    @Test(arguments: TLSServerConfiguration.Records.allCases)
    func theProtocolIsHTTPOrNothing(records: TLSServerConfiguration.Records) throws {
        let context = try TLSContext(files.server(records: records))
        var configuration = trusting
        configuration.protocols = ["h2", "http/1.1"]
        let pair = try TLSPair(context, client: configuration)
        defer { pair.close() }
        #expect(try pair.shakeHands() == (.done, .done))
        #expect(pair.server.negotiated?.applicationProtocol == "http/1.1")
        #expect(pair.client.negotiated?.applicationProtocol == "http/1.1")
        configuration.protocols = ["h2", "http/1.0"]
        let other = try TLSPair(context, client: configuration)
        defer { other.close() }
        #expect(try other.shakeHands() == (.failed(.noCommonProtocol), .failed(.alert(120))))
    }

    /// What a client says about a server it does not trust.
    private func refusal(
        of context: TLSContext, by configuration: TLSClientConfiguration, name: String = "server.test"
    ) throws -> CertificateRefusal? {
        let pair = try TLSPair(context, client: configuration, name: name)
        defer { pair.close() }
        let (server, client) = try pair.shakeHands()
        guard case .failed(.certificateRefused(let refusal)) = client else { return nil }
        guard case .failed(.alert) = server else {
            Issue.record("the server should have been told: \(server)")
            return nil
        }
        return refusal
    }

    @Test func aClientRefusesWhomItDoesNotTrust() throws {
        let context = try TLSContext(files.server())
        let elsewhere = TLSClientConfiguration(authorities: files.path("other-ca.pem"))
        let unknown = try #require(try refusal(of: context, by: elsewhere))
        #expect(unknown.cause == .unknownAuthority)
        #expect(unknown.description.contains("CN=Test Authority"))
        let selfSigned = try #require(try refusal(of: try TLSContext(files.server("self")), by: trusting))
        #expect(selfSigned.cause == .selfSigned)
        let old = try #require(try refusal(of: try expired, by: trusting))
        #expect(old.cause == .expired)
        #expect(old.description.contains("CN=expired.test"))
        #expect(old.description.contains("2021-01-01 00:00:00 UTC"))
    }

    @Test(arguments: ["other.test", "127.0.0.2", "server.test.evil", "test"])
    func aClientRefusesAnotherName(name: String) throws {
        let refusal = try #require(try refusal(of: try TLSContext(files.server()), by: trusting, name: name))
        #expect(refusal.cause == .wrongName)
        #expect(refusal.expectedName == name)
        #expect(refusal.description.contains("it is not for '\(name)'"))
    }

    @Test func aClientAsksForWhatItIsToldTo() throws {
        var configuration = trusting
        configuration.verification = .ca
        let elsewhere = try TLSPair(try TLSContext(files.server("elsewhere")), client: configuration)
        defer { elsewhere.close() }
        #expect(try elsewhere.shakeHands() == (.done, .done))
        #expect(try refusal(of: try expired, by: configuration)?.cause == .expired)
        let anybody = try TLSPair(try expired, client: TLSClientConfiguration(verification: .none), name: nil)
        defer { anybody.close() }
        #expect(try anybody.shakeHands() == (.done, .done))
    }

    @Test func aNameThatIsNoneIsRefused() throws {
        let context = try TLSContext(trusting)
        for name in ["", "a b", "a\u{0}b", String(repeating: "a", count: 256)] {
            #expect(throws: TLSError.badServerName(name)) {
                try Stream(descriptor: -1, context: context, serverName: name)
            }
        }
        #expect(throws: TLSError.badServerName("")) { try Stream(descriptor: -1, context: context) }
    }

    @Test(arguments: TLSServerConfiguration.Records.allCases)
    func aRequiredCertificateIsRequired(records: TLSServerConfiguration.Records) throws {
        let context = try TLSContext(
            files.server(clients: .required(authorities: files.path("ca.pem")), records: records))
        var configuration = trusting
        let without = try TLSPair(context, client: configuration)
        defer { without.close() }
        // The client is done before the server has seen what it shows (RFC 8446 2), and hears of it when it reads.
        #expect(try without.shakeHands() == (.failed(.certificateMissing), .done))
        #expect(TLSPair.readAll(without.client).end == .failed(EPROTO))
        #expect(without.client.failure == .alert(116))
        configuration.identity = files.identity("stranger")
        let wrong = try TLSPair(context, client: configuration)
        defer { wrong.close() }
        guard case .failed(.certificateRefused(let refusal)) = try wrong.shakeHands().server else {
            Issue.record("a stranger came in")
            return
        }
        #expect(refusal.certificate?.subject == "CN=stranger")
        configuration.identity = files.identity("client")
        let right = try TLSPair(context, client: configuration)
        defer { right.close() }
        #expect(try right.shakeHands() == (.done, .done))
        #expect(right.server.negotiated?.certificate?.subject == "CN=client-7")
    }

    @Test(arguments: TLSServerConfiguration.Records.allCases)
    func aRequestedCertificateMayBeMissingButNotWrong(records: TLSServerConfiguration.Records) throws {
        let context = try TLSContext(
            files.server(clients: .requested(authorities: files.path("ca.pem")), records: records))
        var configuration = trusting
        let without = try TLSPair(context, client: configuration)
        defer { without.close() }
        #expect(try without.shakeHands() == (.done, .done))
        #expect(without.server.negotiated?.certificate == nil)
        configuration.identity = files.identity("stranger")
        let wrong = try TLSPair(context, client: configuration)
        defer { wrong.close() }
        guard case .failed(.certificateRefused) = try wrong.shakeHands().server else {
            Issue.record("a stranger came in")
            return
        }
    }

    /// What the server says to bytes that are no ClientHello.
    private func answer(to bytes: [UInt8]) throws -> HandshakeResult {
        let pair = try TLSPair(try TLSContext(files.server()), client: nil)
        defer { pair.close() }
        #expect(TLSPair.send(pair.client, bytes) == .bytes(bytes.count))
        pair.client.shutdownWrite()
        while true {
            let result = pair.server.handshake()
            guard result == .wantsRead else { return result }
            try #require(TLSPair.isReady(pair.server.descriptor, POLLIN))
        }
    }

    @Test func plainHTTPIsRecognised() throws {
        let requests = [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /api HTTP/1.1\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\n\r\n",
        ]
        for request in requests { #expect(try answer(to: Array(request.utf8)) == .failed(.plainHTTP)) }
        #expect(TLSFailure.plainHTTP.description.contains("plain HTTP"))
    }

    @Test func garbageIsRefused() throws {
        #expect(try answer(to: Array("SSH-2.0-OpenSSH_9.6\r\n".utf8)) == .failed(.notTLS))
        #expect(try answer(to: [UInt8](repeating: 0, count: 4096)) == .failed(.notTLS))
        #expect(try answer(to: []) == .failed(.closedInHandshake))
        // The header of a handshake record, and less than it promises.
        #expect(try answer(to: [22, 3, 1, 1, 0, 1, 0]) == .failed(.closedInHandshake))
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var bytes = (0..<Int.random(in: 1...600, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if Bool.random() { bytes = [22, 3, 1, 0, UInt8(min(255, bytes.count)), 1] + bytes }
            guard case .failed = try answer(to: bytes) else {
                Issue.record("\(bytes) is no ClientHello")
                return
            }
        }
    }

    @Test(arguments: TLSServerConfiguration.Records.allCases)
    func aContextIsReplacedWhileConnectionsLive(records: TLSServerConfiguration.Records) throws {
        let server = try TLSServer(files.server(records: records))
        let old = try TLSPair(server.context, client: trusting)
        defer { old.close() }
        #expect(try old.shakeHands() == (.done, .done))
        let between = try TLSPair(server.context, client: trusting)
        defer { between.close() }
        try server.reload(files.server("second", records: records))
        let new = try TLSPair(server.context, client: trusting)
        defer { new.close() }
        #expect(try new.shakeHands() == (.done, .done))
        #expect(new.client.negotiated?.certificate?.subject == "CN=second.test")
        // Begun before, finished after.
        #expect(try between.shakeHands() == (.done, .done))
        #expect(between.client.negotiated?.certificate?.subject == "CN=server.test")
        #expect(TLSPair.send(old.server, [1, 2, 3]) == .bytes(3))
        #expect(TLSPair.readAll(old.client, upTo: 3).bytes == [1, 2, 3])
    }
}
