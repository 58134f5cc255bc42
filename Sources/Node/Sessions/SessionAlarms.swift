import Codec
import Reactor

/// What a session is reminded of by the reactor's timing wheel.
enum SessionAlarm: UInt8 {
    /// The request head has to be here by now.
    case handshake = 1
    /// The balancer's header has to be here by now.
    case proxy
    /// The `connect` of a client that logs in with a command has to be here by now.
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
    /// Something has to have come by now from a client that says something by itself.
    case silence
    /// The client has to be back by now on another connection.
    case resume
    /// What came is acknowledged by now.
    case acknowledge
    /// Something about the requests is due that ask the session for what waits.
    case poll
    /// Its record may have to be written.
    case record
}

extension ShardPart {
    final func arm(_ alarm: SessionAlarm, _ slot: UInt32, after delay: Duration) {
        reactor.schedule(
            after: delay, handler: context.handler, slot: slot, generation: session(slot).pointee.generation,
            tag: alarm.rawValue)
    }

    final func arm(_ alarm: SessionAlarm, _ slot: UInt32) {
        switch alarm {
        case .handshake: arm(alarm, slot, after: context.settings.handshakeTimeout)
        case .connect: arm(alarm, slot, after: context.settings.connectTimeout)
        case .ping: arm(alarm, slot, after: context.settings.pingInterval)
        case .pong: arm(alarm, slot, after: context.settings.pongTimeout)
        case .silence: arm(alarm, slot, after: SessionLife.silence)
        case .lingering: arm(alarm, slot, after: SessionLife.lingering)
        case .message: arm(alarm, slot, after: context.settings.messageTimeout)
        case .proxy: arm(alarm, slot, after: context.settings.proxy.timeout)
        case .acknowledge: arm(alarm, slot, after: SessionLife.acknowledging)
        case .debt, .expiry, .subscriptionExpiry, .resume, .poll, .record: break
        }
    }
}

/// Deadlines and pings. There is no timer per session, only entries of the wheel, and none is ever cancelled: an
/// alarm whose reason is gone is ignored when it rings.
extension SessionLife {
    func timerFired(_ alarm: SessionAlarm, _ slot: UInt32) {
        let session = session(slot)
        switch (alarm, session.pointee.phase) {
        case (.handshake, .head), (.handshake, .body):
            context.counters.handshakeTimeouts += 1
            admittance.refuse(
                slot,
                HTTPError(
                    status: 408, code: "handshake_timeout", message: "the request was not complete in time"))
        case (.handshake, .opening):
            // The interest was asked for and is not confirmed in time: the client may try elsewhere.
            context.counters.handshakeTimeouts += 1
            extras(slot)?.opening = nil
            _ = admittance.takeConnecting(slot)
            channels.unsubscribeFromAll(slot)
            session.pointee.flags.remove(.parked)
            io.updateInterest(slot)
            admittance.refuse(
                slot,
                HTTPError(
                    status: 503, code: "temporarily_unavailable",
                    message: "the channels could not be confirmed in time, try again", headers: [("Retry-After", "1")]))
        case (.proxy, .proxy), (.handshake, .proxy):
            context.counters.proxyErrors += 1
            drop(slot)
        case (.handshake, .securing):
            context.counters.handshakeTimeouts += 1
            drop(slot)
        case (.handshake, .carrying):
            context.counters.handshakeTimeouts += 1
            admittance.carried(locator(of: slot), .unreachable)
        case (.handshake, .polling):
            admittance.pollNotAnswered(slot)
        case (.handshake, .publishing):
            context.counters.handshakeTimeouts += 1
            admittance.published(slot, nil)
        case (.handshake, .authenticating):
            context.counters.handshakeTimeouts += 1
            extras(slot)?.pendingLogin = nil
            session.pointee.flags.remove(.parked)
            io.updateInterest(slot)
            session.pointee.phase = .head
            admittance.refuse(slot, AuthRefusal.undecided.response)
        case (.connect, .open) where extras(slot)?.connecting != nil:
            // Its channels are not confirmed in time: it is let in, as it would be while the node is isolated.
            admittance.finishConnecting(slot)
        case (.connect, .open) where !session.pointee.machine.isLoggedIn:
            end(slot, .notLoggedIn)
        case (.expiry, .open):
            admittance.checkExpiry(slot)
        case (.subscriptionExpiry, .open):
            channels.checkSubscriptionExpiry(slot)
        case (.ping, .open):
            ping(slot)
        case (.pong, .open):
            checkPong(slot)
        case (.silence, .open):
            checkSilence(slot)
        case (.resume, .open):
            checkResume(slot)
        case (.acknowledge, .open):
            acknowledgeLate(slot)
        case (.poll, .open), (.poll, .closing):
            polls.check(slot)
        case (.record, .open):
            considerRecord(slot)
        case (.message, .open):
            io.checkIncomplete(slot, session)
        case (.debt, .open):
            session.pointee.flags.remove(.indebted)
            io.updateInterest(slot)
        case (.lingering, .closing):
            drop(slot)
        default:
            break
        }
    }

    /// From here on the session has to show that it is there.
    func beginLiveness(_ slot: UInt32) {
        let liveness = session(slot).pointee.traits.liveness
        guard liveness != .polls else { return }
        let isMutual = liveness == .mutual
        arm(.ping, slot, after: isMutual ? mutualInterval : context.settings.pingInterval)
        if isMutual { arm(.silence, slot) }
    }

    /// Clients of such a dialect leave when they hear nothing for 30 s, and say something every 15 s themselves (TransportProtocols.md
    /// and HubProtocol.md of dotnet/aspnetcore).
    private var mutualInterval: Duration { min(context.settings.pingInterval, .seconds(15)) }
    static var silence: Duration { .seconds(30) }

    /// How long what came is not acknowledged, at the most.
    static var acknowledging: Duration { .seconds(1) }

    private func ping(_ slot: UInt32) {
        let session = session(slot)
        let liveness = session.pointee.traits.liveness
        if liveness == .mutual {
            io.tell(slot, .ping)
            return arm(.ping, slot, after: mutualInterval)
        }
        // Whoever speaks is there.
        if liveness == .anySign, session.pointee.flags.contains(.heard) {
            session.pointee.flags.remove(.heard)
            return arm(.ping, slot)
        }
        session.pointee.flags.remove(.heard)
        session.pointee.machine.pinged()
        io.tell(slot, .ping)
        arm(liveness == .unanswered ? .ping : .pong, slot)
    }

    private func checkSilence(_ slot: UInt32) {
        let session = session(slot)
        // Whoever is not read from cannot be heard.
        guard
            session.pointee.linkage == .cut || session.pointee.flags.contains(.heard)
                || !session.pointee.flags.isDisjoint(with: SessionSlot.Flags.unread)
        else {
            context.counters.missedPongs += 1
            // Its connection is most likely gone, and it may come back with another one.
            return cut(slot) ? arm(.silence, slot) : end(slot, .silent(Self.silence))
        }
        session.pointee.flags.remove(.heard)
        arm(.silence, slot)
    }

    private func checkPong(_ slot: UInt32) {
        let session = session(slot)
        // Whoever is not read from cannot be heard.
        let isMissing =
            session.pointee.flags.isDisjoint(with: SessionSlot.Flags.unread)
            && (session.pointee.traits.liveness == .pong
                ? session.pointee.machine.awaitsPong : !session.pointee.flags.contains(.heard))
        // The next ping is due one interval after the last one, part of which went by while waiting.
        guard isMissing else {
            return arm(
                .ping, slot, after: max(.seconds(1), context.settings.pingInterval - context.settings.pongTimeout))
        }
        context.counters.missedPongs += 1
        end(slot, .silent(context.settings.pongTimeout))
    }
}
