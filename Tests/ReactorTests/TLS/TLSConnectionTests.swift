import Glibc
import Testing

@testable import Reactor

/// The client's side on a reactor, against a server the test drives itself.
@Suite struct TLSConnectionTests {
    let files: TestCertificates
    private let listener: Int32
    private let address: SocketAddress

    init() throws {
        files = try TestCertificates.shared.get()
        listener = try Socket.listen(on: try SocketAddress(parsing: "127.0.0.1:0"), reusePort: false)
        address = try #require(Socket.localAddress(of: listener))
    }

    private func encryption(name: String = "server.test") throws -> ConnectionEncryption {
        ConnectionEncryption(
            context: try TLSContext(TLSClientConfiguration(authorities: files.path("ca.pem"))), serverName: name)
    }

    private func connect(
        _ peer: ConnectionTests.Peer, _ encryption: ConnectionEncryption, deadline: Duration = .seconds(5)
    ) {
        let address = address
        peer.reactor.post { peer.connection.connect(to: [address], deadline: deadline, encryption: encryption) }
    }

    private func accept() throws -> Int32 {
        try #require(TLSPair.isReady(listener, POLLIN))
        guard case .accepted(let descriptor, _) = Socket.accept(listener) else {
            throw SystemError(call: "accept", code: errno)
        }
        return descriptor
    }

    /// The server's side of the handshake to its end.
    private func serve(_ configuration: TLSServerConfiguration) throws -> (Stream, HandshakeResult) {
        let stream = try Stream(descriptor: try accept(), context: try TLSContext(configuration))
        while true {
            let result = stream.handshake()
            guard result == .wantsRead else { return (stream, result) }
            try #require(TLSPair.isReady(stream.descriptor, POLLIN))
        }
    }

    @Test func carriesBytesBothWays() async throws {
        let peer = try await ConnectionTests.Peer()
        var events = peer.events.makeAsyncIterator()
        connect(peer, try encryption())
        // Written before there is anybody: it waits.
        peer.write(Array("up".utf8))
        let (server, result) = try serve(files.server())
        #expect(result == .done)
        #expect(await events.next() == .connected)
        #expect(TLSPair.readAll(server, upTo: 2).bytes == Array("up".utf8))
        #expect(TLSPair.send(server, Array("down".utf8)) == .bytes(4))
        #expect(await events.next() == .received(Array("down".utf8)))
        #expect(await peer.reactor.perform { peer.connection.negotiated?.version } == "TLSv1.3")
        // Much more than the sockets take, while nobody reads.
        let bytes = (0..<(8 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        for start in stride(from: 0, to: bytes.count, by: 100_000) {
            peer.write(Array(bytes[start..<min(bytes.count, start + 100_000)]))
        }
        #expect(TLSPair.readAll(server, upTo: bytes.count).bytes == bytes)
        server.close()
        #expect(await events.next() == .closed(.byPeer))
        // And once more on the same object.
        connect(peer, try encryption())
        let (again, _) = try serve(files.server())
        #expect(await events.next() == .connected)
        // Gone without a goodbye.
        Socket.shutdownWrite(again.descriptor)
        #expect(await events.next() == .closed(.tls(.truncated)))
        again.close()
        peer.reactor.stop()
        Socket.close(listener)
    }

    @Test func anAnswerAndAGoodbyeAtOnceAreBothHeard() async throws {
        let peer = try await ConnectionTests.Peer()
        var events = peer.events.makeAsyncIterator()
        connect(peer, try encryption())
        let (server, _) = try serve(files.server())
        #expect(TLSPair.send(server, [1, 2, 3]) == .bytes(3))
        server.close()
        #expect(await events.next() == .connected)
        #expect(await events.next() == .received([1, 2, 3]))
        #expect(await events.next() == .closed(.byPeer))
        peer.reactor.stop()
        Socket.close(listener)
    }

    @Test func saysWhyAServerIsNotTrusted() async throws {
        let peer = try await ConnectionTests.Peer()
        var events = peer.events.makeAsyncIterator()
        connect(peer, try encryption(name: "redis.test"))
        let (server, result) = try serve(files.server())
        guard case .failed(.alert) = result else {
            Issue.record("\(result)")
            return
        }
        server.close()
        guard case .closed(let reason) = await events.next() else {
            Issue.record("it should not be connected")
            return
        }
        #expect(reason.description.contains("it is not for 'redis.test'"))
        #expect(reason.description.contains("CN=server.test"))
        connect(peer, try encryption(name: ""))
        #expect(await events.next() == .closed(.tlsSetup(.badServerName(""))))
        peer.reactor.stop()
        Socket.close(listener)
    }

    @Test func aServerThatSpeaksNoTLSIsRecognised() async throws {
        let peer = try await ConnectionTests.Peer()
        var events = peer.events.makeAsyncIterator()
        connect(peer, try encryption())
        let plain = try accept()
        #expect(TLSPair.send(Stream(descriptor: plain), Array("-ERR Protocol error\r\n".utf8)) == .bytes(21))
        #expect(await events.next() == .closed(.tls(.notTLS)))
        Socket.close(plain)
        // One that says nothing at all.
        connect(peer, try encryption(), deadline: .milliseconds(200))
        let silent = try accept()
        #expect(await events.next() == .closed(.handshakeTimedOut))
        Socket.close(silent)
        // And one that leaves.
        connect(peer, try encryption())
        Stream(descriptor: try accept()).shutdownWrite()
        #expect(await events.next() == .closed(.tls(.closedInHandshake)))
        peer.reactor.stop()
        Socket.close(listener)
    }

    @Test func hearsThatACertificateIsRequired() async throws {
        let peer = try await ConnectionTests.Peer()
        var events = peer.events.makeAsyncIterator()
        connect(peer, try encryption())
        let (server, result) = try serve(files.server(clients: .required(authorities: files.path("ca.pem"))))
        #expect(result == .failed(.certificateMissing))
        // In TLS 1.3 the client was done before.
        #expect(await events.next() == .connected)
        #expect(await events.next() == .closed(.tls(.alert(116))))
        server.close()
        peer.reactor.stop()
        Socket.close(listener)
    }
}
