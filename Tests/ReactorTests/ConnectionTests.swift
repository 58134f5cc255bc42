import Glibc
import Testing

@testable import Reactor

/// Connections to listeners of our own, over real sockets.
@Suite struct ConnectionTests {
    /// Takes whoever comes, and lets the test read and write with plain system calls on a descriptor of its own.
    private static func listening(on text: String = "127.0.0.1:0", backlog: Int32 = 16) throws -> (Int32, SocketAddress)
    {
        let descriptor = try Socket.listen(on: try SocketAddress(parsing: text), backlog: backlog, reusePort: false)
        return (descriptor, try #require(Socket.localAddress(of: descriptor)))
    }

    /// Everything on the reactor; what happened comes out as a stream.
    final class Peer: ConnectionDelegate, @unchecked Sendable {
        enum Event: Equatable, Sendable {
            case connected
            case received([UInt8])
            case closed(ConnectionClosed)
        }
        let reactor: Reactor
        let events: AsyncStream<Event>
        private let continuation: AsyncStream<Event>.Continuation
        private(set) var connection: Connection!

        init(outboundLimit: Int = 64 << 20) async throws {
            reactor = try Reactor(index: 0, name: "peer")
            (events, continuation) = AsyncStream.makeStream()
            reactor.start()
            await reactor.perform { [self] in
                connection = Connection(reactor: reactor, outboundLimit: outboundLimit)
                connection.delegate = self
            }
        }

        func connect(_ addresses: [SocketAddress], deadline: Duration = .seconds(5)) {
            reactor.post { [self] in connection.connect(to: addresses, deadline: deadline) }
        }
        func write(_ bytes: [UInt8]) {
            reactor.post { [self] in bytes.withUnsafeBytes { connection.write($0) } }
        }
        func connected(_ connection: Connection) { continuation.yield(.connected) }
        func received(_ connection: Connection, bytes: UnsafeMutableRawBufferPointer) {
            continuation.yield(.received(Array(bytes)))
        }
        func closed(_ connection: Connection, reason: ConnectionClosed) { continuation.yield(.closed(reason)) }
    }

    /// Blocks until somebody connected: only used after somebody did, or will.
    private static func accept(_ listener: Int32) throws -> Int32 {
        var wanted = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        try #require(poll(&wanted, 1, 5000) == 1)
        guard case .accepted(let descriptor, _) = Socket.accept(listener) else {
            throw SystemError(call: "accept", code: errno)
        }
        return descriptor
    }

    private static func readExactly(_ descriptor: Int32, _ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while bytes.count < count {
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&wanted, 1, 5000) == 1 else { return bytes }
            let got = read(descriptor, &buffer, min(buffer.count, count - bytes.count))
            guard got > 0 else { return bytes }
            bytes.append(contentsOf: buffer[..<got])
        }
        return bytes
    }

    @Test(arguments: ["127.0.0.1:0", "[::1]:0", "unix:/tmp/carillon-test-\(getpid()).sock"])
    func carriesBytesBothWays(text: String) async throws {
        let (listener, address) = try Self.listening(on: text)
        defer {
            Socket.close(listener)
            if case .unix(let path) = address { Socket.removeFile(path) }
        }
        let peer = try await Peer()
        peer.connect([address])
        let other = try Self.accept(listener)
        var events = peer.events.makeAsyncIterator()
        #expect(await events.next() == .connected)
        peer.write(Array("up".utf8))
        #expect(Self.readExactly(other, 2) == Array("up".utf8))
        #expect(write(other, "down", 4) == 4)
        #expect(await events.next() == .received(Array("down".utf8)))
        Socket.close(other)
        #expect(await events.next() == .closed(.byPeer))
        peer.reactor.stop()
    }

    @Test func muchMoreThanASocketTakesArrivesInOrder() async throws {
        let (listener, address) = try Self.listening()
        defer { Socket.close(listener) }
        let peer = try await Peer()
        peer.connect([address])
        let other = try Self.accept(listener)
        let total = 24 << 20
        let bytes = (0..<total).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        for start in stride(from: 0, to: total, by: 100_000) {
            peer.write(Array(bytes[start..<min(total, start + 100_000)]))
        }
        let arrived = Self.readExactly(other, total)
        #expect(arrived == bytes)
        Socket.close(other)
        peer.reactor.stop()
    }

    @Test func triesTheNextAddressAndSaysWhyNoneAnswered() async throws {
        let (closed, nobody) = try Self.listening()
        Socket.close(closed)
        let (listener, somebody) = try Self.listening()
        defer { Socket.close(listener) }
        let peer = try await Peer()
        var events = peer.events.makeAsyncIterator()
        peer.connect([nobody, somebody])
        #expect(await events.next() == .connected)
        peer.reactor.post { peer.connection.close() }
        #expect(await events.next() == .closed(.locally))
        peer.connect([nobody])
        guard case .closed(.failed(let error)) = await events.next() else {
            Issue.record("it should have failed")
            return
        }
        #expect(error.code == ECONNREFUSED)
        #expect(error.description.contains(nobody.description))
        peer.connect([])
        guard case .closed(.failed) = await events.next() else {
            Issue.record("without an address there is nothing to connect to")
            return
        }
        peer.reactor.stop()
    }

    @Test func anAnswerThatDoesNotComeEndsTheAttempt() async throws {
        let (listener, address) = try Self.listening(backlog: 0)
        defer { Socket.close(listener) }
        // Whoever connects while the queue is full hears nothing: SYNs are dropped.
        var waiting: [Int32] = []
        defer { for descriptor in waiting { Socket.close(descriptor) } }
        for _ in 0..<8 { waiting.append(try Socket.connect(to: address)) }
        let peer = try await Peer()
        var events = peer.events.makeAsyncIterator()
        peer.connect([address], deadline: .milliseconds(200))
        #expect(await events.next() == .closed(.connectTimedOut))
        peer.reactor.stop()
    }

    @Test func whatWaitsIsBounded() async throws {
        let (listener, address) = try Self.listening()
        defer { Socket.close(listener) }
        let peer = try await Peer(outboundLimit: 1 << 20)
        var events = peer.events.makeAsyncIterator()
        peer.connect([address])
        #expect(await events.next() == .connected)
        // Nobody reads: the sockets take some, the rest waits.
        for _ in 0..<400 { peer.write([UInt8](repeating: 7, count: 65536)) }
        #expect(await events.next() == .closed(.outboundLimit(bytes: 1 << 20)))
        peer.reactor.stop()
    }
}
