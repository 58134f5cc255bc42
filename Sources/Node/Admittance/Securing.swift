import Codec
import Reactor

/// The TLS handshake of a client, between its connection and its request.
extension Admittance {
    /// It is known where the connection comes from: TLS if its port is for that, and then the request.
    func beginRequest(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        guard let tls, session.pointee.flags.contains(.secure) else {
            session.pointee.phase = .head
            return
        }
        do {
            session.pointee.stream = try Stream(descriptor: session.pointee.stream.descriptor, context: tls.context)
            session.pointee.phase = .securing
        } catch {
            // Out of memory, in short.
            context.counters.tlsErrors += 1
            life.drop(slot)
        }
    }

    /// The socket is ready for the next step of the handshake.
    func secure(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        let wasBlocked = session.pointee.flags.contains(.blocked)
        session.pointee.flags.remove(.blocked)
        let begin = MonotonicTime.now()
        let result = session.pointee.stream.handshake()
        io.spent(since: begin)
        switch result {
        case .wantsRead:
            if wasBlocked { io.updateInterest(slot) }
        case .wantsWrite:
            session.pointee.flags.insert(.blocked)
            if !wasBlocked { io.updateInterest(slot) }
        case .done:
            context.counters.tlsHandshakes += 1
            session.pointee.phase = .head
            if wasBlocked { io.updateInterest(slot) }
            // The request often comes with the handshake's last bytes: then the socket has nothing more to say.
            if session.pointee.stream.hasPending { io.read(slot, session) }
        case .failed(let failure):
            context.counters.tlsErrors += 1
            if case .plainHTTP = failure { refusePlain(session) }
            life.drop(slot)
        }
    }

    /// Somebody speaks HTTP to a port of TLS: a person, most likely, who wants to know.
    private func refusePlain(_ session: UnsafeMutablePointer<SessionSlot>) {
        writer.removeAll()
        HTTPError(
            status: 400, code: "tls_expected", message: "this port speaks TLS: use https:// or wss://"
        ).write(to: writer)
        _ = Socket.send(session.pointee.stream.descriptor, writer.bytes)
    }
}
