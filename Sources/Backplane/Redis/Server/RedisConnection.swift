import Codec
import Reactor

/// One connection to Redis that comes back for ever: looks the name up, connects, reads replies, tells its server.
final class RedisConnection: ConnectionDelegate {
    enum Role: String {
        case commands
        case subscriber
    }

    let role: Role
    /// Owns this connection, so it outlives it.
    private unowned(unsafe) let server: RedisServer
    private let connection: Connection
    private var reader: RESPReader?
    private var backoff = Backoff()
    private var isStopped = false
    /// When the last whole reply or message came in.
    private(set) var lastHeard = MonotonicTime(nanoseconds: 0)
    /// When it was connected.
    private(set) var connectedAt = MonotonicTime(nanoseconds: 0)
    /// Redis is busy: who we are is said again in a moment.
    var isWaitingToGreet = false
    /// Bytes that came since the last whole reply.
    private var bytesSinceReply = 0
    /// A reply said that this connection cannot be used.
    private var failure: String?
    /// Where the server was when it was made.
    private(set) var address: ServerAddress?
    private var isWaitingForAddress = false
    /// For the next attempt.
    private var isWaiting = false
    /// Redis said something on it, and it was good for something. A balancer takes connections for a Redis that is away.
    private var isAnswered = false
    private var isUsed = false
    private var attempt: UInt64 = 0

    init(role: Role, server: RedisServer) {
        self.role = role
        self.server = server
        connection = Connection(reactor: server.home, outboundLimit: RedisServer.outboundLimit)
        connection.delegate = self
    }

    var isOpen: Bool { connection.isOpen }

    func connect() {
        guard !isStopped else { return }
        isWaiting = false
        attempt += 1
        let current = attempt
        let deadline = server.configuration.connectTimeout
        // As long as nobody knows where the server is there is nowhere to go; whoever says it brings us there.
        guard let address = server.address else { return isWaitingForAddress = true }
        isWaitingForAddress = false
        self.address = address
        switch address.endpoint {
        case .unix(let path):
            connection.connect(to: [.unix(path)], deadline: deadline)
        case .tcp(let host, let port):
            Resolver.resolve(host: host, port: port, on: server.home) { [self] result in
                guard !self.isStopped, self.attempt == current else { return }
                // It may have moved while the name was looked up.
                guard self.address == self.server.address else { return self.connect() }
                switch result {
                case .success(let addresses):
                    self.connection.connect(
                        to: addresses, deadline: deadline,
                        encryption: (self.server.configuration.tls == nil ? nil : self.server.owner.encryption).map {
                            ConnectionEncryption(
                                context: $0, serverName: self.server.configuration.serverName ?? host)
                        })
                case .failure(let error): self.lost("\(error)")
                }
            }
        }
    }

    /// The server is there: the connection is for that, or is made anew.
    func follow(_ next: ServerAddress, _ reason: String) {
        if isWaitingForAddress { return connect() }
        guard let address, address != next else { return }
        if connection.isOpen || connection.isTrying {
            fail(reason)
        } else if isWaiting {
            // What it waits for is news, and this is news.
            backoff.reset()
            connect()
        }
    }

    func stop() {
        isStopped = true
        connection.close()
    }

    /// Gives the connection up for a reason of ours; it will be tried again.
    func fail(_ reason: String) {
        failure = reason
        connection.close()
    }

    @inline(__always)
    func write(_ bytes: UnsafeRawBufferPointer) {
        server.counts.bytesOut &+= UInt64(bytes.count)
        connection.write(bytes)
    }

    /// Writes where the bytes stay until they are sent.
    ///
    /// - Parameters:
    ///   - count: How many bytes `body` adds at the most.
    ///   - writer: Is used for it, and holds nothing afterwards.
    @inline(__always)
    func write(atMost count: Int, by writer: ByteWriter, _ body: (ByteWriter) -> Void) {
        var rest = false
        connection.write(atMost: count) { room in
            let written = writer.write(into: room, body)
            server.counts.bytesOut &+= UInt64(clamping: written ?? 0)
            rest = written == nil
            return written ?? 0
        }
        if rest { write(writer.bytes) }
    }

    func flush() { connection.flush() }

    /// Whether it has been silent for too long: nothing whole has come, and nothing large is on its way either. What is
    /// announced and does not come would otherwise swallow all that follows it.
    func isSilent(now: MonotonicTime) -> Bool {
        let silence = now - lastHeard
        // A connection that was made while the line was dead in one direction stays as it is.
        if !isAnswered { return silence > server.configuration.connectTimeout }
        if silence > RedisServer.longestReply { return true }
        return silence > RedisServer.silence && bytesSinceReply < RedisServer.noticeableBytes
    }

    var outboundBytes: Int { connection.outboundBytes }

    /// It works: the next loss is a new one.
    func settled() {
        isUsed = true
        backoff.reset()
    }

    // MARK: Connection

    func connected(_ connection: Connection) {
        // A write may find that the connection is gone, in the middle of work that goes on to expect replies. None of them comes on
        // this one.
        if role == .commands { server.commandsLost() }
        lastHeard = server.home.now
        connectedAt = server.home.now
        bytesSinceReply = 0
        failure = nil
        if let descriptor = connection.descriptor {
            // Half-open connections are found by the system too, not only by our pings.
            Socket.setUserTimeout(descriptor, milliseconds: 5000)
            Socket.setKeepAlive(descriptor, idle: 5, interval: 2, count: 3)
        }
        // The reader is ours and goes with us.
        reader = RESPReader { [unowned(unsafe) self] reply in
            // What was read together with the reply that ended the connection does not count.
            guard self.reader != nil else { return }
            self.lastHeard = self.server.home.now
            self.bytesSinceReply = 0
            switch reply {
            case .message(let channel, let payload): self.server.received(channel: channel, payload: payload)
            case .value(let value): self.server.received(value, on: self)
            }
        }
        server.connected(self)
    }

    func received(_ connection: Connection, bytes: UnsafeMutableRawBufferPointer) {
        isAnswered = true
        bytesSinceReply += bytes.count
        server.counts.bytesIn &+= UInt64(bytes.count)
        // Held here, because a reply may close the connection and drop the reader while it is at work.
        guard let reader else { return }
        do {
            try reader.feed(UnsafeRawBufferPointer(bytes))
        } catch {
            fail("Redis sent invalid RESP2: \(error)")
        }
    }

    func closed(_ connection: Connection, reason: ConnectionClosed) {
        reader = nil
        guard !isStopped else { return }
        lost(failure ?? "\(reason)", after: isAnswered && !isUsed ? .refused : .unreachable)
    }

    private func lost(_ reason: String, after loss: Backoff.Loss = .unreachable) {
        server.disconnected(self, reason)
        isAnswered = false
        isUsed = false
        isWaiting = true
        let current = attempt
        server.home.schedule(after: backoff.next(after: loss, using: &server.owner.random)) { [self] in
            guard self.attempt == current else { return }
            self.connect()
        }
    }
}
