import CLinux
import Glibc

package protocol ConnectionDelegate: AnyObject {
    func connected(_ connection: Connection)
    /// The bytes are valid until the call returns, and may be changed in place.
    func received(_ connection: Connection, bytes: UnsafeMutableRawBufferPointer)
    /// Once per `connect`, whatever happened.
    func closed(_ connection: Connection, reason: ConnectionClosed)
}

/// A buffered connection to somebody else: the link to Redis, or a client of ours. On its reactor only.
///
/// What is written is gathered and sent once per turn. Reading stops after `readBudget` bytes per turn, so that a
/// stream that never ends leaves time for the others.
package final class Connection: ReactorHandler, TurnWork {
    package var delegate: (any ConnectionDelegate)?
    package private(set) var isOpen = false
    package let outboundLimit: Int

    private let reactor: Reactor
    private var handler: HandlerID!
    private var stream: Stream?
    private var isConnecting = false
    /// The socket is connected, and TLS is being agreed on.
    private var isHandshaking = false
    private var encryption: ConnectionEncryption?
    /// Grows with every connect, so that what belongs to an earlier one is ignored.
    private var generation: UInt32 = 0
    private var candidates: [SocketAddress] = []
    private var candidate = 0
    private var lastError: SystemError?
    private var deadline: Reactor.TimerID?
    private var outbound = SendBuffer()
    private var isBlocked = false
    /// What is to be sent waits for TLS to read something first.
    private var isBlockedOnRead = false

    /// Bytes read per turn.
    package static let readBudget = 256 * 1024
    /// From here on what was written is sent without waiting for the turn's end.
    package static let gatheredBytes = 64 * 1024
    /// Memory kept when everything was sent.
    private static let keptBytes = 4 * gatheredBytes

    package init(reactor: Reactor, outboundLimit: Int) {
        self.reactor = reactor
        self.outboundLimit = outboundLimit
        handler = reactor.add(handler: self)
        reactor.add(turnWork: self)
    }

    /// It is being connected.
    package var isTrying: Bool { isConnecting }
    package var outboundBytes: Int { outbound.count }
    package var descriptor: Int32? { stream?.descriptor }
    /// What was agreed on, while an encrypted connection is open.
    package var negotiated: TLSNegotiated? { stream?.negotiated }

    /// Tries the addresses one after the other until one answers or the deadline passes, which the TLS handshake has
    /// to meet too. A handshake that fails ends the attempt: the next address would be the same server.
    ///
    /// With TLS 1.3 a server may refuse our certificate after `connected`.
    package func connect(
        to addresses: [SocketAddress], deadline: Duration, encryption: ConnectionEncryption? = nil
    ) {
        precondition(stream == nil, "a connection is closed before it connects again")
        generation = (generation &+ 1) & 0xFF_FFFF
        candidates = addresses
        candidate = 0
        lastError = nil
        outbound.removeAll(keeping: Self.keptBytes)
        isBlocked = false
        isBlockedOnRead = false
        isHandshaking = false
        isConnecting = true
        self.encryption = encryption
        let attempt = generation
        self.deadline = reactor.schedule(after: deadline) { [self] in
            guard self.generation == attempt, self.isConnecting else { return }
            self.end(self.isHandshaking ? .handshakeTimedOut : .connectTimedOut)
        }
        tryNext()
    }

    private func tryNext() {
        while candidate < candidates.count {
            let address = candidates[candidate]
            candidate += 1
            do {
                let descriptor = try Socket.connect(to: address)
                stream = Stream(descriptor: descriptor)
                try reactor.register(
                    descriptor, for: .writable, handler: handler, slot: 0, generation: generation)
                return
            } catch {
                stream?.close()
                stream = nil
                lastError = error
            }
        }
        end(.failed(lastError ?? SystemError(call: "connect", code: EADDRNOTAVAIL)))
    }

    package func write(_ bytes: UnsafeRawBufferPointer) {
        guard stream != nil else { return }
        outbound.append(bytes)
        written()
    }

    /// Writes where the bytes stay until they are sent: what is put together here is not copied.
    ///
    /// - Parameter write: Fills the first bytes of the room it is given, and says how many. Not called while nothing is connected.
    @inline(__always)
    package func write(atMost count: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) {
        guard stream != nil else { return }
        outbound.append(atMost: count, write)
        written()
    }

    private func written() {
        if outboundBytes > outboundLimit { return end(.outboundLimit(bytes: outboundLimit)) }
        if outboundBytes >= Self.gatheredBytes { flush() }
    }

    /// Sends what the system takes.
    package func flush() {
        guard isOpen, !isBlocked, !isBlockedOnRead, let stream else { return }
        while outbound.count > 0 {
            switch stream.send(outbound.bytes) {
            case .bytes(let count):
                outbound.sent(count)
            case .wouldBlock:
                if stream.sendWaitsForRead {
                    isBlockedOnRead = true
                } else {
                    isBlocked = true
                    watch(stream, for: [.readable, .writable])
                }
                return
            case .failed(let code):
                return end(stream.failure.map { .tls($0) } ?? .failed(SystemError(call: "send", code: code)))
            }
        }
        outbound.removeAll(keeping: Self.keptBytes)
    }

    package func close() { if stream != nil || isConnecting { end(.locally) } }

    private func end(_ reason: ConnectionClosed) {
        if let deadline { reactor.cancel(deadline) }
        deadline = nil
        if let stream {
            reactor.deregister(stream.descriptor)
            stream.close()
        }
        stream = nil
        isOpen = false
        isConnecting = false
        isHandshaking = false
        encryption = nil
        generation = (generation &+ 1) & 0xFF_FFFF
        delegate?.closed(self, reason: reason)
    }

    package func turn() -> Bool {
        if outbound.count > 0 { flush() }
        return false
    }

    package func ready(slot: UInt32, generation: UInt32, readiness: Readiness) {
        guard generation == self.generation, let stream else { return }
        if isHandshaking { return shakeHands(stream) }
        if isConnecting { return finishConnecting(stream) }
        if readiness.contains(.writable), isBlocked {
            isBlocked = false
            watch(stream, for: .readable)
            flush()
        }
        let isReadable = !readiness.isDisjoint(with: [.readable, .hangup, .error])
        guard generation == self.generation, isReadable || stream.readWaitsForWrite else { return }
        read(generation)
        guard isBlockedOnRead, generation == self.generation else { return }
        isBlockedOnRead = false
        flush()
    }

    private func finishConnecting(_ stream: Stream) {
        let error = Socket.pendingError(stream.descriptor)
        guard error == 0 else {
            lastError = SystemError(call: "connect to \(candidates[candidate - 1])", code: error)
            reactor.deregister(stream.descriptor)
            stream.close()
            self.stream = nil
            return tryNext()
        }
        if candidates[candidate - 1].family != AF_UNIX { Socket.setNoDelay(stream.descriptor) }
        guard let encryption else { return opened(stream) }
        do {
            let encrypted = try Stream(
                descriptor: stream.descriptor, context: encryption.context, serverName: encryption.serverName)
            self.stream = encrypted
            isHandshaking = true
            shakeHands(encrypted)
        } catch {
            end(.tlsSetup(error))
        }
    }

    private func shakeHands(_ stream: Stream) {
        switch stream.handshake() {
        case .done:
            isHandshaking = false
            let current = generation
            opened(stream)
            // What came together with the end of the handshake makes no socket readable.
            if current == generation, stream.hasPending { read(current) }
        case .wantsRead:
            watch(stream, for: .readable)
        case .wantsWrite:
            watch(stream, for: .writable)
        case .failed(let failure):
            end(.tls(failure))
        }
    }

    private func opened(_ stream: Stream) {
        if let deadline { reactor.cancel(deadline) }
        deadline = nil
        isConnecting = false
        isOpen = true
        watch(stream, for: .readable)
        delegate?.connected(self)
    }

    private func watch(_ stream: Stream, for readiness: Readiness) {
        reactor.change(stream.descriptor, to: readiness, handler: handler, slot: 0, generation: generation)
    }

    private func read(_ generation: UInt32) {
        var total = 0
        while generation == self.generation, let stream, total < Self.readBudget || stream.hasPending {
            switch stream.read(into: reactor.readBuffer) {
            case .bytes(let count):
                total += count
                delegate?.received(
                    self, bytes: UnsafeMutableRawBufferPointer(rebasing: reactor.readBuffer[..<count]))
                if count < reactor.readBuffer.count, generation != self.generation || !stream.hasPending { return }
            case .wouldBlock:
                if stream.readWaitsForWrite, !isBlocked {
                    isBlocked = true
                    watch(stream, for: [.readable, .writable])
                }
                return
            case .end:
                return end(.byPeer)
            case .failed(let code):
                return end(stream.failure.map { .tls($0) } ?? .failed(SystemError(call: "read", code: code)))
            }
        }
    }

    package func timerFired(slot: UInt32, generation: UInt32, tag: UInt8) {}
}
