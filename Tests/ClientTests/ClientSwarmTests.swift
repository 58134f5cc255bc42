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
    private func run(_ payload: SequencedPayload, _ steps: [ScriptedServer.Step]) async throws
        -> (ClientSwarm.Status, DeliveryLedger.Counts, [UInt8])
    {
        // The server waits for a publication: it comes when counting has begun. It is read whole, because closing with
        // something unread is a reset.
        let frame = FrameWriter.headerBytes(payloadBytes: payload.bytes) + 4 + payload.bytes
        let server = try ScriptedServer([.receive(frame)] + steps + [.close])
        let reactor = try Reactor(index: 0, name: "test")
        let swarm = ClientSwarm(reactor: reactor, configuration: .init(targets: [server.target], members: 1))
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
            let pieces = stride(from: 0, to: bytes.count, by: piece).map {
                ScriptedServer.Step.send(Array(bytes[$0..<min($0 + piece, bytes.count)]))
            }
            let (_, counts, _) = try await run(payload, pieces)
            #expect(counts.deliveries == 50)
            #expect(counts.missing + counts.duplicates + counts.reordered + counts.foreign == 0)
        }
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
