import Glibc
import Testing

@testable import Reactor

/// Two ends of one connection over loopback, driven by the test itself.
struct TLSPair {
    let server: Stream
    let client: Stream

    init(server: Stream, client: Stream) {
        self.server = server
        self.client = client
    }

    /// The server encrypts with a context; the client does so too, or is a plain socket.
    init(
        _ context: TLSContext, client configuration: TLSClientConfiguration?, name: String? = "server.test",
        socketBytes: Int32? = nil
    ) throws {
        let (server, client) = try Self.sockets(bytes: socketBytes)
        self.server = try Stream(descriptor: server, context: context)
        self.client =
            try configuration.map {
                try Stream(descriptor: client, context: try TLSContext($0), serverName: name)
            } ?? Stream(descriptor: client)
    }

    /// Two connected sockets; `bytes` makes their buffers small.
    static func sockets(bytes: Int32? = nil) throws -> (server: Int32, client: Int32) {
        let listener = try Socket.listen(on: try SocketAddress(parsing: "127.0.0.1:0"), reusePort: false)
        defer { Socket.close(listener) }
        if let bytes { shrink(listener, to: bytes) }
        let client = try Socket.connect(to: try #require(Socket.localAddress(of: listener)))
        if let bytes { shrink(client, to: bytes) }
        try #require(isReady(listener, POLLIN))
        guard case .accepted(let server, _) = Socket.accept(listener) else {
            throw SystemError(call: "accept", code: errno)
        }
        try #require(isReady(client, POLLOUT))
        Socket.setNoDelay(server)
        Socket.setNoDelay(client)
        return (server, client)
    }

    private static func shrink(_ descriptor: Int32, to bytes: Int32) {
        var bytes = bytes
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, 4)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, 4)
    }

    /// Waits until a socket is ready, five seconds at most.
    static func isReady(_ descriptor: Int32, _ events: Int32, milliseconds: Int32 = 5000) -> Bool {
        var wanted = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return poll(&wanted, 1, milliseconds) == 1
    }

    /// Waits until the client has something to read or, where it is still sending, the server's socket has room.
    func canGoOn(sending: Bool) -> Bool {
        var wanted = [pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)]
        if sending { wanted.append(pollfd(fd: server.descriptor, events: Int16(POLLOUT), revents: 0)) }
        return poll(&wanted, nfds_t(wanted.count), 5000) > 0
    }

    /// Lets both sides go on until both know how it ends. A side that fails closes its half, as its owner would.
    func shakeHands() throws -> (server: HandshakeResult, client: HandshakeResult) {
        var server = HandshakeResult.wantsRead
        var client = HandshakeResult.wantsRead
        func isOver(_ result: HandshakeResult) -> Bool { result != .wantsRead && result != .wantsWrite }
        func step(_ stream: Stream, _ result: inout HandshakeResult) {
            guard !isOver(result) else { return }
            result = stream.handshake()
            if case .failed = result { Socket.shutdownWrite(stream.descriptor) }
        }
        while true {
            step(self.client, &client)
            step(self.server, &server)
            if isOver(server), isOver(client) { return (server, client) }
            var wanted: [pollfd] = []
            for (stream, result) in [(self.server, server), (self.client, client)] where !isOver(result) {
                wanted.append(
                    pollfd(
                        fd: stream.descriptor, events: Int16(result == .wantsRead ? POLLIN : POLLOUT), revents: 0))
            }
            try #require(poll(&wanted, nfds_t(wanted.count), 5000) > 0, "\(server) and \(client) wait for ever")
        }
    }

    /// Reads until something else than bytes comes, waiting where nothing is there.
    static func readAll(_ stream: Stream, upTo limit: Int = .max) -> (bytes: [UInt8], end: ReadResult) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
        defer { buffer.deallocate() }
        var bytes: [UInt8] = []
        while bytes.count < limit {
            switch stream.read(into: buffer) {
            case .bytes(let count): bytes.append(contentsOf: buffer[..<count])
            case .wouldBlock:
                if !isReady(stream.descriptor, POLLIN) { return (bytes, .wouldBlock) }
            case let other: return (bytes, other)
            }
        }
        return (bytes, .bytes(bytes.count))
    }

    static func send(_ stream: Stream, _ bytes: [UInt8]) -> WriteResult { bytes.withUnsafeBytes { stream.send($0) } }

    func close() {
        client.close()
        server.close()
    }
}
