import Codec
import Reactor
import Testing

@testable import Client

struct ClientSwarmTests {
    private static func frame(_ payload: SequencedPayload, _ sequence: UInt32) -> [UInt8] {
        let message = ByteWriter()
        payload.write(sequence, to: message)
        let frame = ByteWriter()
        FrameWriter.write(.text, message.bytes, to: frame)
        return Array(frame.bytes)
    }

    /// Runs a swarm of one against a script until the server closes; what was counted then.
    private func run(
        _ payload: SequencedPayload, compressed: Bool = false, tls: TestCertificate? = nil,
        _ steps: [ScriptedServer.Step]
    ) async throws -> (ClientSwarm.Status, DeliveryLedger.Counts, [UInt8]) {
        // The server waits for a publication: it comes when counting has begun. It is read whole, because closing with
        // something unread is a reset.
        let frame = FrameWriter.headerBytes(payloadBytes: payload.bytes) + 4 + payload.bytes
        let server = try ScriptedServer(
            extensions: compressed ? "permessage-deflate; server_no_context_takeover" : nil,
            tls: try tls?.server(), [.receive(frame)] + steps + [.close])
        let reactor = try Reactor(index: 0, name: "test")
        var configuration = ClientSwarm.Configuration(targets: [server.target], members: 1)
        configuration.offersCompression = compressed
        configuration.tls = try tls?.client()
        let swarm = ClientSwarm(reactor: reactor, configuration: configuration)
        reactor.start()
        reactor.post {
            swarm.settled = {
                swarm.begin(payload, goal: 1)
                swarm.publish(0)
            }
            swarm.connect()
        }
        let received = server.finish()
        while await reactor.perform({ swarm.status.lost + swarm.status.failed }) == 0 { await Task.yield() }
        let found = await reactor.perform { (swarm.status, swarm.ledger.counts) }
        reactor.stop()
        return (found.0, found.1, received)
    }

    @Test func deliveriesAreCountedHoweverTheyAreCut() async throws {
        let payload = SequencedPayload(bytes: 200)
        let bytes = (0..<50).flatMap { Self.frame(payload, $0) }
        for piece in [1, 3, 150, 4096] {
            let (_, counts, _) = try await run(payload, Self.pieces(bytes, of: piece))
            #expect(counts.deliveries == 50)
            #expect(counts.missing + counts.duplicates + counts.reordered + counts.foreign == 0)
        }
    }

    private static func pieces(_ bytes: [UInt8], of size: Int) -> [ScriptedServer.Step] {
        stride(from: 0, to: bytes.count, by: size).map { .send(Array(bytes[$0..<min($0 + size, bytes.count)])) }
    }

    private static func compressedFrame(_ payload: SequencedPayload, _ sequence: UInt32) -> [UInt8] {
        let writer = ByteWriter()
        payload.write(sequence, to: writer)
        let packed = deflated(Array(writer.bytes))
        return [0xC1, 126, UInt8(packed.count >> 8), UInt8(packed.count & 0xFF)] + packed
    }

    @Test func compressedDeliveriesAreCountedHoweverTheyAreCut() async throws {
        let payload = SequencedPayload(bytes: 600, kind: .json)
        let bytes = (0..<20).flatMap { Self.compressedFrame(payload, $0) }
        for piece in [1, 150, 4096] {
            let (status, counts, _) = try await run(payload, compressed: true, Self.pieces(bytes, of: piece))
            #expect(counts.deliveries == 20)
            #expect(counts.missing + counts.duplicates + counts.reordered + counts.foreign == 0)
            #expect(status.compressed == 20 && status.inflated == 20)
        }
    }

    @Test func compressedLossRepetitionAndForeignMessagesAreFound() async throws {
        let payload = SequencedPayload(bytes: 600, kind: .json)
        let other = SequencedPayload(bytes: 600, kind: .json)
        var damaged = Self.compressedFrame(payload, 5)
        damaged[damaged.count / 2] ^= 0x10
        let bytes =
            [0, 1, 1, 4].flatMap { Self.compressedFrame(payload, $0) } + Self.compressedFrame(other, 0) + damaged
        let (_, counts, _) = try await run(payload, compressed: true, [.send(bytes)])
        #expect(counts.deliveries == 3)
        #expect(counts.duplicates == 1)
        #expect(counts.missing == 2)
        #expect(counts.foreign == 2)
    }

    @Test func messagesMayComeAsTheyAreAmongCompressedOnes() async throws {
        let payload = SequencedPayload(bytes: 600, kind: .json)
        let bytes = Self.compressedFrame(payload, 0) + Self.frame(payload, 1) + Self.compressedFrame(payload, 2)
        let (status, counts, _) = try await run(payload, compressed: true, [.send(bytes)])
        #expect(counts.deliveries == 3)
        #expect(status.compressed == 2)
    }

    @Test func encryptedDeliveriesAreCountedHoweverTheyAreCut() async throws {
        let certificate = try TestCertificate.shared.get()
        let payload = SequencedPayload(bytes: 3000)
        let bytes = (0..<50).flatMap { Self.frame(payload, $0) }
        for piece in [150, 4096, bytes.count] {
            let (status, counts, received) = try await run(payload, tls: certificate, Self.pieces(bytes, of: piece))
            #expect(counts.deliveries == 50)
            #expect(counts.missing + counts.duplicates + counts.reordered + counts.foreign == 0)
            #expect(received.prefix(2) == [0x81, 0xFE])
            // The goodbye of TLS comes with the last bytes, or after them.
            #expect(status.lost == 1 && status.firstError == "member 0: the server closed the connection")
        }
    }

    /// How a swarm of one fails to open.
    private func failure(of server: ScriptedServer, compressed: Bool = false, tls: TLSContext? = nil) async throws
        -> String?
    {
        let reactor = try Reactor(index: 0, name: "test")
        var configuration = ClientSwarm.Configuration(targets: [server.target], members: 1)
        configuration.offersCompression = compressed
        configuration.tls = tls
        let swarm = ClientSwarm(reactor: reactor, configuration: configuration)
        reactor.start()
        reactor.post { swarm.connect() }
        while await reactor.perform({ swarm.status.failed }) == 0 { await Task.yield() }
        let status = await reactor.perform { swarm.status }
        reactor.stop()
        _ = server.finish()
        #expect(status.open == 0)
        return status.firstError
    }

    @Test func aServerThatDoesNotCompressIsAFailure() async throws {
        let reason = try await failure(of: try ScriptedServer([]), compressed: true)
        #expect(reason == "member 0: the server does not agree to permessage-deflate")
    }

    @Test func aCertificateNobodyTrustedIsAFailure() async throws {
        let certificate = try TestCertificate.shared.get()
        let server = try ScriptedServer(accepts: false, tls: try certificate.server(), [])
        // Trusted, it is the request that fails.
        #expect(try await failure(of: server, tls: try certificate.client()) == "member 0: HTTP/1.1 404 Not Found")
        let other = try TestCertificate()
        let refused = try await failure(
            of: try ScriptedServer(tls: try certificate.server(), []), tls: try other.client())
        #expect(refused?.contains("certificate") == true)
        other.remove()
    }

    @Test func withoutAContextThereIsNoTLS() async throws {
        let server = try ScriptedServer(tls: try TestCertificate.shared.get().server(), [])
        #expect(try await failure(of: server)?.hasSuffix("wants TLS, and there is none") == true)
    }

    @Test func lossRepetitionAndForeignMessagesAreFound() async throws {
        let payload = SequencedPayload(bytes: 16)
        let other = SequencedPayload(bytes: 16)
        let bytes = [0, 1, 1, 4].flatMap { Self.frame(payload, $0) } + Self.frame(other, 0)
        let (_, counts, _) = try await run(payload, [.send(bytes)])
        #expect(counts.deliveries == 3)
        #expect(counts.duplicates == 1)
        #expect(counts.missing == 2)
        #expect(counts.foreign == 1)
    }

    @Test(
        arguments: [
            ([0x88, 5, 0x03, 0xF5, 0x62, 0x79, 0x65], "closed by the server with 1013 bye"),
            ([0xC1, 1, 0x61], "a fragmented or reserved frame (first byte 193)"),
            ([0x01, 1, 0x61], "a fragmented or reserved frame (first byte 1)"),
            ([0x81, 0xFE, 0, 0], "a frame is masked or too long"),
            ([0x81, 127, 0x7F, 0, 0, 0, 0, 0, 0, 0], "a frame is masked or too long"),
            ([0x81, 127, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], "a frame is masked or too long"),
        ] as [([UInt8], String)])
    func whatEndsAMemberIsSaid(bytes: [UInt8], reason: String) async throws {
        let (status, _, _) = try await run(SequencedPayload(bytes: 16), [.send(bytes)])
        #expect(status.lost == 1)
        #expect(status.firstError == "member 0: \(reason)")
    }

    @Test func aRefusedHandshakeIsAFailure() async throws {
        let server = try ScriptedServer(accepts: false, [])
        let reactor = try Reactor(index: 0, name: "test")
        let swarm = ClientSwarm(reactor: reactor, configuration: .init(targets: [server.target], members: 1))
        reactor.start()
        reactor.post { swarm.connect() }
        _ = server.finish()
        while await reactor.perform({ swarm.status.failed }) == 0 { await Task.yield() }
        let status = await reactor.perform { swarm.status }
        reactor.stop()
        #expect(status.open == 0)
        #expect(status.firstError == "member 0: HTTP/1.1 404 Not Found")
    }

    @Test func whereNobodyListensIsAFailure() async throws {
        // A port that was free a moment ago.
        let listener = try Socket.listen(on: SocketAddress(ip: "127.0.0.1", port: 0), reusePort: false)
        let port = try #require(Socket.localAddress(of: listener)?.port)
        Socket.close(listener)
        let reactor = try Reactor(index: 0, name: "test")
        let target = try Target(parsing: "ws://127.0.0.1:\(port)/")
        let swarm = ClientSwarm(reactor: reactor, configuration: .init(targets: [target], members: 3))
        reactor.start()
        reactor.post { swarm.connect() }
        while await reactor.perform({ swarm.status.failed }) < 3 { await Task.yield() }
        let status = await reactor.perform { swarm.status }
        reactor.stop()
        #expect(
            status.firstError == "member 0: connect to 127.0.0.1:\(port): connection refused (ECONNREFUSED)")
    }
}
