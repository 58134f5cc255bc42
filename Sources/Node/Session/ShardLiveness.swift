import Reactor
import Codec

/// What a session is reminded of by the reactor's timing wheel.
enum SessionAlarm: UInt8 {
    /// The request head has to be here by now.
    case handshake = 1
    /// The balancer's header has to be here by now.
    case proxy
    /// The centrifuge `connect` has to be here by now.
    case connect
    /// Time to ask whether the client is still there.
    case ping
    /// The answer has to be here by now.
    case pong
    /// The last bytes have to be gone, and the client with them, by now.
    case lingering
    /// A message that has begun has to be whole by now.
    case message
    /// What was published too fast is paid for.
    case debt
    /// The token has expired by now.
    case expiry
    /// A subscription's token has expired by now.
    case subscriptionExpiry
}

/// Deadlines and pings. There is no timer per session, only entries of the wheel, and none is ever cancelled: an
/// alarm whose reason is gone is ignored when it rings.
extension Shard {
    func arm(_ alarm: SessionAlarm, _ slot: UInt32, after delay: Duration) {
        reactor.schedule(
            after: delay, handler: handler, slot: slot, generation: session(slot).pointee.generation,
            tag: alarm.rawValue)
    }

    func arm(_ alarm: SessionAlarm, _ slot: UInt32) {
        switch alarm {
        case .handshake: arm(alarm, slot, after: settings.handshakeTimeout)
        case .connect: arm(alarm, slot, after: settings.connectTimeout)
        case .ping: arm(alarm, slot, after: settings.pingInterval)
        case .pong: arm(alarm, slot, after: settings.pongTimeout)
        case .lingering: arm(alarm, slot, after: Self.lingering)
        case .message: arm(alarm, slot, after: settings.messageTimeout)
        case .proxy: arm(alarm, slot, after: settings.proxy.timeout)
        case .debt, .expiry, .subscriptionExpiry: break
        }
    }

    func rang(_ alarm: SessionAlarm, _ slot: UInt32) {
        let session = session(slot)
        switch (alarm, session.pointee.phase) {
        case (.handshake, .head):
            counters.handshakeTimeouts += 1
            refuse(
                slot,
                HTTPError(
                    status: 408, code: "handshake_timeout", message: "the request was not complete in time"))
        case (.handshake, .opening):
            // The interest was asked for and is not confirmed in time: the client may try elsewhere.
            counters.handshakeTimeouts += 1
            replies[slot] = nil
            unsubscribeFromAll(slot)
            session.pointee.flags.remove(.parked)
            updateInterest(slot)
            refuse(
                slot,
                HTTPError(
                    status: 503, code: "temporarily_unavailable",
                    message: "the channels could not be confirmed in time, try again", headers: [("Retry-After", "1")]))
        case (.proxy, .proxy), (.handshake, .proxy):
            counters.proxyErrors += 1
            drop(slot)
        case (.handshake, .securing):
            counters.handshakeTimeouts += 1
            drop(slot)
        case (.handshake, .judging):
            counters.handshakeTimeouts += 1
            judging[slot] = nil
            session.pointee.flags.remove(.parked)
            updateInterest(slot)
            session.pointee.phase = .head
            refuse(slot, AuthRefusal.undecided.response)
        case (.connect, .open) where connecting[slot] != nil:
            // Its channels are not confirmed in time: it is let in, as it would be while the node is isolated.
            finishConnecting(slot)
        case (.connect, .open) where !session.pointee.centrifuge.isConnected || judging[slot] != nil:
            close(slot, .stale)
        case (.expiry, .open):
            checkExpiry(slot)
        case (.subscriptionExpiry, .open):
            checkSubscriptionExpiry(slot)
        case (.ping, .open):
            ping(slot)
        case (.pong, .open):
            checkPong(slot)
        case (.message, .open):
            checkIncomplete(slot, session)
        case (.debt, .open):
            session.pointee.flags.remove(.indebted)
            updateInterest(slot)
        case (.lingering, .closing):
            drop(slot)
        default:
            break
        }
    }

    private func ping(_ slot: UInt32) {
        let session = session(slot)
        switch session.pointee.dialect {
        case .raw:
            // Whoever speaks is there.
            if session.pointee.flags.contains(.heard) {
                session.pointee.flags.remove(.heard)
                return arm(.ping, slot)
            }
            writer.removeAll()
            FrameWriter.write(.ping, UnsafeRawBufferPointer(start: nil, count: 0), to: writer)
            sendWritten(slot)
            arm(.pong, slot)
        case .sse:
            // A comment keeps proxies from closing the stream; TCP finds out whether anybody is there.
            writer.removeAll()
            writer.append(":\n\n")
            sendWritten(slot)
            arm(.ping, slot)
        case .centrifuge:
            session.pointee.flags.remove(.heard)
            session.pointee.centrifuge.pinged()
            writer.removeAll()
            CentrifugeEncoder.writePing(to: writer)
            sendWritten(slot)
            arm(.pong, slot)
        }
    }

    private func checkPong(_ slot: UInt32) {
        let session = session(slot)
        // Whoever is not read from cannot be heard.
        let isMissing =
            session.pointee.flags.isDisjoint(with: SessionSlot.Flags.unread)
            && (session.pointee.dialect == .centrifuge
                ? session.pointee.centrifuge.awaitsPong : !session.pointee.flags.contains(.heard))
        // The next ping is due one interval after the last one, part of which went by while waiting.
        guard isMissing else {
            return arm(.ping, slot, after: max(.seconds(1), settings.pingInterval - settings.pongTimeout))
        }
        counters.missedPongs += 1
        if session.pointee.dialect == .centrifuge {
            close(slot, .noPong)
        } else {
            close(slot, code: .policyViolation, reason: "no pong within \(settings.pongTimeout)")
        }
    }
}
