import Backplane
import Codec
import Reactor

/// Who comes in, and as whom: from the accepted socket over PROXY header, TLS and request to the login.
final class Admittance: ShardPart, @unchecked Sendable {
    /// Where TLS is spoken; nil for nowhere.
    let tls: TLSServer?
    /// Numbers the questions about who sessions are: an answer belongs to one of them.
    var nextAttempt: UInt64 = 0
    /// The node is about to leave: balancers are told.
    var isDraining = false

    // Whom it calls; the shard makes all of them and owns them.
    unowned(unsafe) private(set) var io: SessionIO!
    unowned(unsafe) private(set) var life: SessionLife!
    unowned(unsafe) private(set) var channels: Channels!
    unowned(unsafe) private(set) var polls: Polls!
    unowned(unsafe) private(set) var serverCommands: ServerCommands!

    init(_ context: ShardContext, tls: TLSServer?) {
        self.tls = tls
        super.init(context)
    }

    func attach(
        io: SessionIO, life: SessionLife, channels: Channels, polls: Polls, serverCommands: ServerCommands
    ) {
        self.polls = polls
        self.io = io
        self.life = life
        self.channels = channels
        self.serverCommands = serverCommands
    }

    /// A client has connected.
    ///
    /// - Parameter isSecure: Whether it begins with TLS, behind a PROXY header if there is one.
    func accepted(_ descriptor: Int32, from peer: SocketAddress, isSecure: Bool) {
        context.counters.accepted += 1
        let stream = Stream(descriptor: descriptor)
        if context.settings.proxy.isRequired, !context.settings.proxy.trusts(peer) {
            context.counters.proxyRefused += 1
            Socket.resetOnClose(descriptor)
            return stream.close()
        }
        guard context.admission.entered() else {
            context.counters.refusedSessions += 1
            return stream.close()
        }
        guard let slot = context.table.take() else {
            context.counters.refusedSessions += 1
            context.admission.left()
            return stream.close()
        }
        let session = session(slot)
        session.pointee.stream = stream
        session.pointee.peer = PeerAddress(peer)
        if isSecure { session.pointee.flags.insert(.secure) }
        session.pointee.phase = context.settings.proxy.isRequired ? .proxy : .head
        session.pointee.secret = .random(using: &random)
        if case .unix = peer {} else { Socket.setNoDelay(descriptor) }
        do {
            try reactor.register(
                descriptor, for: .readable, handler: context.handler, slot: slot, generation: session.pointee.generation
            )
        } catch {
            context.counters.refusedSessions += 1
            stream.close()
            if !context.table.release(slot) { fault("a slot that was just taken is free") }
            context.admission.left()
            return
        }
        arm(.handshake, slot, after: context.settings.handshakeTimeout)
        if context.settings.proxy.isRequired { return arm(.proxy, slot) }
        guard admit(slot) else { return }
        beginRequest(slot, session)
    }

    /// Counts a connection under its address. One too many is dropped at once: a reply would cost what the limit is to
    /// save.
    func admit(_ slot: UInt32) -> Bool {
        let session = session(slot)
        do {
            try context.admission.begin(session.pointee.peer.address)
            session.pointee.flags.insert(.counted)
            return true
        } catch {
            switch error {
            case .handshakes: context.counters.handshakeLimitHits += 1
            case .sessionsOfAddress, .handshakesOfAddress: context.counters.addressLimitHits += 1
            }
            life.drop(slot)
            return false
        }
    }

    /// - Returns: Whether the client may go on; else it was answered.
    func isConnectInTime(_ slot: UInt32) -> Bool {
        do {
            try context.admission.connects.enter(session(slot).pointee.peer.address, now: reactor.now.nanoseconds)
            return true
        } catch {
            switch error {
            case .node: context.counters.connectRateHits += 1
            case .address: context.counters.addressConnectRateHits += 1
            }
            let seconds = ConnectGate.seconds(after: error.wait, using: &random)
            refuse(slot, error.response(seconds: seconds))
            return false
        }
    }
}

extension ConnectGate.Refusal {
    /// Nanoseconds.
    var wait: UInt64 {
        switch self {
        case .node(let wait), .address(let wait): wait
        }
    }

    fileprivate func response(seconds: Int) -> HTTPError {
        let (status, whence) =
            switch self {
            case .node: (503, "to this node")
            case .address: (429, "from this address")
            }
        return HTTPError(
            status: status, code: "too_many_connects",
            message: "too many clients connect \(whence) at the moment, come back in \(seconds) s",
            headers: [("Retry-After", "\(seconds)")])
    }
}
