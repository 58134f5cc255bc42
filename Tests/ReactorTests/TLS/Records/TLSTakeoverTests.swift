import COpenSSL
import Glibc
import Testing

@testable import Reactor

/// From OpenSSL's records to ours: with which clients, and that nothing is lost or repeated on the way.
@Suite struct TLSTakeoverTests {
    let files: TestCertificates

    init() throws { files = try TestCertificates.shared.get() }

    /// A connection of a client that is set up further before it begins.
    private func open(
        _ configuration: TLSServerConfiguration? = nil,
        _ prepare: (_ client: OpaquePointer, _ server: OpaquePointer) -> Void
    ) throws -> TLSPair {
        let server = try TLSContext(configuration ?? files.server())
        let client = try TLSContext(TLSClientConfiguration(authorities: files.path("ca.pem")))
        prepare(client.pointer, server.pointer)
        return try open(server, client)
    }

    private func open(_ server: TLSContext, _ client: TLSContext) throws -> TLSPair {
        let sockets = try TLSPair.sockets()
        let pair = TLSPair(
            server: try Stream(descriptor: sockets.server, context: server),
            client: try Stream(descriptor: sockets.client, context: client, serverName: "server.test"))
        #expect(try pair.shakeHands() == (.done, .done))
        return pair
    }

    /// Bytes both ways, in both orders.
    private func talk(_ pair: TLSPair) {
        for size in [1, 3000, 40_000] {
            let up = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 3) }
            let down = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 5 &+ 1) }
            #expect(TLSPair.send(pair.client, up) == .bytes(size))
            #expect(TLSPair.send(pair.server, down) == .bytes(size))
            #expect(TLSPair.readAll(pair.server, upTo: size).bytes == up)
            #expect(TLSPair.readAll(pair.client, upTo: size).bytes == down)
        }
    }

    private func ssl(_ stream: Stream) throws -> OpaquePointer { try #require(stream.tls?.state.pointee.ssl) }

    private func records(_ stream: Stream) throws -> UnsafeMutablePointer<TLSRecords> {
        try #require(stream.tls?.state.pointee.records)
    }

    @Test(arguments: TLSCipher.allCases, [0, 1, 4])
    func everyCipherAndAnyNumberOfTickets(cipher: TLSCipher, tickets: Int) throws {
        let pair = try open { client, server in
            SSL_CTX_set_ciphersuites(client, cipher.name)
            SSL_CTX_set_num_tickets(server, tickets)
        }
        defer { pair.close() }
        #expect(try records(pair.server).pointee.outbound.keys.sequence == UInt64(tickets))
        #expect(pair.server.negotiated?.cipher == cipher.name)
        #expect(pair.client.negotiated?.cipher == cipher.name)
        // OpenSSL's part is gone, and so is what was gathered.
        #expect(pair.server.tls?.state.pointee.ssl == nil)
        #expect(pair.server.tls?.state.pointee.takeover == nil)
        talk(pair)
    }

    @Test func version12StaysWithOpenSSL() throws {
        let pair = try open { client, _ in carillon_SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION) }
        defer { pair.close() }
        #expect(pair.server.tls?.hasOwnRecords == false)
        #expect(pair.server.tls?.state.pointee.takeover == nil)
        #expect(pair.server.negotiated?.version == "TLSv1.2")
        talk(pair)
    }

    @Test func shortRecordsStayWithOpenSSL() throws {
        let pair = try open { client, _ in
            SSL_CTX_set_tlsext_max_fragment_length(client, UInt8(TLSEXT_max_fragment_length_512))
        }
        defer { pair.close() }
        #expect(pair.server.tls?.hasOwnRecords == false)
        talk(pair)
    }

    @Test(arguments: TLSServerConfiguration.Records.allCases)
    func sessionsAreResumed(records: TLSServerConfiguration.Records) throws {
        let server = try TLSContext(files.server(records: records))
        let client = try TLSContext(TLSClientConfiguration(authorities: files.path("ca.pem")))
        let first = try open(server, client)
        talk(first)
        #expect(first.server.negotiated?.isResumed == false)
        let session = try #require(SSL_get1_session(try ssl(first.client)))
        defer { SSL_SESSION_free(session) }
        first.close()
        for _ in 0..<2 {
            let sockets = try TLSPair.sockets()
            let again = TLSPair(
                server: try Stream(descriptor: sockets.server, context: server),
                client: try Stream(descriptor: sockets.client, context: client, serverName: "server.test"))
            defer { again.close() }
            SSL_set_session(try ssl(again.client), session)
            #expect(try again.shakeHands() == (.done, .done))
            #expect(again.server.negotiated?.isResumed == true)
            #expect(again.server.negotiated?.serverName == "server.test")
            #expect(again.server.tls?.hasOwnRecords == (records == .own))
            talk(again)
        }
    }

    @Test(arguments: [SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED])
    func openSSLsKeyUpdatesAreUnderstood(kind: Int32) throws {
        let pair = try open { _, _ in }
        defer { pair.close() }
        for round in 0..<10 {
            talk(pair)
            #expect(SSL_key_update(try ssl(pair.client), kind) == 1)
            let before = try records(pair.server).pointee.outbound.keys.identity
            #expect(TLSPair.send(pair.client, [UInt8(round)]) == .bytes(1))
            #expect(TLSPair.readAll(pair.server, upTo: 1).bytes == [UInt8(round)])
            #expect(TLSPair.send(pair.server, [1]) == .bytes(1))
            #expect(TLSPair.readAll(pair.client, upTo: 1).bytes == [1])
            let after = try records(pair.server).pointee.outbound.keys.identity
            #expect((before != after) == (kind == SSL_KEY_UPDATE_REQUESTED))
        }
        #expect(pair.server.failure == nil)
        #expect(pair.client.failure == nil)
    }

    @Test func ourKeyUpdatesAreUnderstood() throws {
        let pair = try open { _, _ in }
        defer { pair.close() }
        for _ in 0..<20 {
            try records(pair.server).pointee.outbound.owesKeyUpdate = true
            talk(pair)
            #expect(try !records(pair.server).pointee.outbound.owesKeyUpdate)
        }
    }

    @Test func whatAClientMayNotSayEndsItWithAnAlert() throws {
        // Raw bytes to a connection that is open, and the alert OpenSSL's client hears.
        let wrong: [(bytes: [UInt8], alert: UInt8)] = [
            ([20, 3, 3, 0, 1, 1], 10), ([21, 3, 3, 0, 2, 1, 0], 10), ([22, 3, 3, 0, 5, 24, 0, 0, 1, 0], 10),
            ([23, 3, 3, 0x41, 1], 22), ([23, 3, 3, 0, 17] + [UInt8](repeating: 0, count: 17), 20), ([0x47], 10),
        ]
        for (bytes, alert) in wrong {
            let pair = try open { _, _ in }
            defer { pair.close() }
            #expect(TLSPair.send(Stream(descriptor: pair.client.descriptor), bytes) == .bytes(bytes.count))
            #expect(TLSPair.readAll(pair.server).end == .failed(EPROTO))
            #expect(TLSPair.readAll(pair.client).end == .failed(EPROTO))
            #expect(pair.client.failure == .alert(alert))
            guard case .broken = pair.server.failure else {
                Issue.record("\(pair.server.failure as Any)")
                continue
            }
        }
    }

    @Test func anAlertOfTheClientIsToldApart() throws {
        let pair = try open { _, _ in }
        defer { pair.close() }
        // Our record is changed on its way, so the client gives up and says so.
        try records(pair.server).pointee.outbound = TLSOutbound(keys: RecordKeys.keys(.aes256))
        #expect(TLSPair.send(pair.server, [1]) == .bytes(1))
        #expect(TLSPair.readAll(pair.client).end == .failed(EPROTO))
        #expect(TLSPair.readAll(pair.server).end == .failed(EPROTO))
        #expect(pair.server.failure == .alert(20))
    }

    @Test func whatWasNotSentByOpenSSLIsNotTakenOver() throws {
        func line(_ label: String, _ secret: [UInt8]) -> [UInt8] {
            let digits = secret.map { (($0 < 16 ? "0" : "") + String($0, radix: 16)) }.joined()
            return Array("\(label) \(String(repeating: "ab", count: 32)) \(digits)".utf8)
        }
        let agreed = TLSNegotiated(
            version: "TLSv1.3", cipher: "", applicationProtocol: nil, serverName: nil, isResumed: false,
            certificate: nil)
        let ticket = RecordMakerTickets.two
        func sequence(_ cipher: TLSCipher, _ secrets: [[UInt8]], sent: [UInt8]) -> UInt64? {
            var takeover = TLSTakeover()
            for (label, secret) in zip(["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"], secrets) {
                line(label, secret).withUnsafeBytes { takeover.heard($0) }
            }
            sent.withUnsafeBytes { takeover.wasSent($0) }
            let records = takeover.records(cipher, agreed)
            takeover.wipe()
            guard let records else { return nil }
            return records.outbound.keys.sequence
        }
        let secret = RecordKeys.secret(.aes256)
        #expect(sequence(.aes256, [secret, secret], sent: ticket) == 2)
        #expect(sequence(.aes256, [secret, secret], sent: []) == 0)
        // A record that is not complete, one that is not authentic, a secret that is missing or of another length.
        #expect(sequence(.aes256, [secret, secret], sent: Array(ticket.dropLast())) == nil)
        #expect(sequence(.aes256, [secret, secret], sent: Array(ticket.dropFirst(30))) == nil)
        #expect(sequence(.aes256, [secret, secret], sent: [23, 3]) == nil)
        #expect(sequence(.aes256, [secret], sent: ticket) == nil)
        #expect(sequence(.aes128, [secret, secret], sent: []) == nil)
        #expect(sequence(.aes256, [secret, Array(secret.dropLast())], sent: []) == nil)
        #expect(
            sequence(.aes256, [secret, secret], sent: [UInt8](repeating: 0, count: TLSTakeover.sentBytes + 1)) == nil)
    }
}

/// What a server might have sent before.
private enum RecordMakerTickets {
    static var two: [UInt8] {
        var maker = RecordMaker()
        return maker.record([4, 0, 0, 1, 0], 22) + maker.record([4, 0, 0, 2, 0, 0], 22)
    }
}
