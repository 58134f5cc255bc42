import CLinux
import Glibc

/// Why a connection ended.
package enum ConnectionClosed: Error, Equatable, Sendable, CustomStringConvertible {
    /// The other side closed it.
    case byPeer
    /// We closed it.
    case locally
    case connectTimedOut
    case failed(SystemError)
    /// More waits to be sent than may: the other side does not read.
    case outboundLimit(bytes: Int)

    package var description: String {
        switch self {
        case .byPeer: "the other side closed the connection"
        case .locally: "closed on request"
        case .connectTimedOut: "the connection was not established in time"
        case .failed(let error): error.description
        case .outboundLimit(let bytes): "more than \(bytes) bytes wait to be sent"
        }
    }
}

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
    package weak var delegate: (any ConnectionDelegate)?
    package private(set) var isOpen = false
    package let outboundLimit: Int

    private let reactor: Reactor
    private var handler: HandlerID!
    private var stream: Stream?
    private var isConnecting = false
    /// Grows with every connect, so that what belongs to an earlier one is ignored.
    private var generation: UInt32 = 0
    private var candidates: [SocketAddress] = []
    private var candidate = 0
    private var lastError: SystemError?
    private var deadline: Reactor.TimerID?
    private var outbound: [UInt8] = []
    private var sent = 0
    private var isBlocked = false

    /// Bytes read per turn.
    package static let readBudget = 256 * 1024
    /// From here on what was written is sent without waiting for the turn's end.
    package static let gatheredBytes = 64 * 1024

    package init(reactor: Reactor, outboundLimit: Int) {
        self.reactor = reactor
        self.outboundLimit = outboundLimit
        handler = reactor.add(handler: self)
        reactor.add(turnWork: self)
    }

    package var outboundBytes: Int { outbound.count - sent }
    package var descriptor: Int32? { stream?.descriptor }

    /// Tries the addresses one after the other until one answers or the deadline passes.
    package func connect(to addresses: [SocketAddress], deadline: Duration) {
        precondition(stream == nil, "a connection is closed before it connects again")
        generation = (generation &+ 1) & 0xFF_FFFF
        candidates = addresses
        candidate = 0
        lastError = nil
        outbound.removeAll(keepingCapacity: true)
        sent = 0
        isBlocked = false
        isConnecting = true
        let attempt = generation
        self.deadline = reactor.schedule(after: deadline) { [weak self] in
            guard let self, self.generation == attempt, self.isConnecting else { return }
            self.end(.connectTimedOut)
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
        outbound.append(contentsOf: bytes)
        if outboundBytes > outboundLimit { return end(.outboundLimit(bytes: outboundLimit)) }
        if outboundBytes >= Self.gatheredBytes { flush() }
    }

    /// Sends what the system takes.
    package func flush() {
        guard isOpen, !isBlocked, let stream else { return }
        while sent < outbound.count {
            let result = outbound.withUnsafeBytes { stream.send(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
            switch result {
            case .bytes(let count):
                sent += count
            case .wouldBlock:
                isBlocked = true
                reactor.change(
                    stream.descriptor, to: [.readable, .writable], handler: handler, slot: 0, generation: generation)
                if sent >= Self.gatheredBytes {
                    outbound.removeFirst(sent)
                    sent = 0
                }
                return
            case .failed(let code):
                return end(.failed(SystemError(call: "send", code: code)))
            }
        }
        outbound.removeAll(keepingCapacity: outbound.capacity <= 4 * Self.gatheredBytes)
        sent = 0
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
        generation = (generation &+ 1) & 0xFF_FFFF
        delegate?.closed(self, reason: reason)
    }

    package func turn() -> Bool {
        if sent < outbound.count { flush() }
        return false
    }

    package func ready(slot: UInt32, generation: UInt32, readiness: Readiness) {
        guard generation == self.generation, let stream else { return }
        if isConnecting { return finishConnecting(stream) }
        if readiness.contains(.writable), isBlocked {
            isBlocked = false
            reactor.change(stream.descriptor, to: .readable, handler: handler, slot: 0, generation: generation)
            flush()
        }
        if !readiness.isDisjoint(with: [.readable, .hangup, .error]) { read(generation) }
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
        if let deadline { reactor.cancel(deadline) }
        deadline = nil
        isConnecting = false
        isOpen = true
        if candidates[candidate - 1].family != AF_UNIX { Socket.setNoDelay(stream.descriptor) }
        reactor.change(stream.descriptor, to: .readable, handler: handler, slot: 0, generation: generation)
        delegate?.connected(self)
    }

    private func read(_ generation: UInt32) {
        var total = 0
        while total < Self.readBudget, generation == self.generation, let stream {
            switch stream.read(into: reactor.readBuffer) {
            case .bytes(let count):
                total += count
                delegate?.received(
                    self, bytes: UnsafeMutableRawBufferPointer(rebasing: reactor.readBuffer[..<count]))
                if count < reactor.readBuffer.count { return }
            case .wouldBlock:
                return
            case .end:
                return end(.byPeer)
            case .failed(let code):
                return end(.failed(SystemError(call: "read", code: code)))
            }
        }
    }

    package func timerFired(slot: UInt32, generation: UInt32, tag: UInt8) {}
}
