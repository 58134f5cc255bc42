import Codec
import Reactor

/// How sessions live and end: alarms and pings, goodbyes, and the drain.
final class SessionLife: ShardPart, @unchecked Sendable {
    /// Its sessions are being told to come back elsewhere.
    var leaving: Leaving?
    /// Sessions whose connection was cut and that wait for another one.
    var cutSessions = 0
    /// Sessions that clients need not try to go on with.
    var gone = GoneSessions()
    /// Fences of the handovers that are under way, by their numbers.
    var fences: [UInt64: FenceOwner] = [:]

    // Whom it calls; the shard makes all of them and owns them.
    unowned(unsafe) private(set) var io: SessionIO!
    unowned(unsafe) private(set) var channels: Channels!
    unowned(unsafe) private(set) var admittance: Admittance!
    unowned(unsafe) private(set) var polls: Polls!
    unowned(unsafe) private(set) var serverCommands: ServerCommands!

    func attach(
        io: SessionIO, channels: Channels, admittance: Admittance, polls: Polls, serverCommands: ServerCommands
    ) {
        self.polls = polls
        self.serverCommands = serverCommands
        self.io = io
        self.channels = channels
        self.admittance = admittance
    }

    /// How long a closing session may take to read our last bytes and to close its side.
    static var lingering: Duration { .seconds(5) }

    /// How many bytes of a client are read after the goodbye, only to be thrown away: as many as may have been under way.
    static var lingeringBytes: UInt64 { 1024 * 1024 }

    /// Ends a session with a goodbye where its dialect has one: what was queued before still goes out first.
    func end(_ slot: UInt32, _ ending: Ending) {
        if session(slot).pointee.linkage == .cut { return drop(slot, ending) }
        let isTold = isClosingTold(slot)
        let id = lastingID(of: slot)
        tellGone(slot, ending)
        guard beginClosing(slot) else { return }
        let variant = session(slot).pointee.variant
        let farewell = variant.dialect.farewell(ending)
        if isTold { noteClosed(slot, id, code: farewell.code, reason: farewell.reason, cause: ending.cause) }
        if let kind = farewell.refusal {
            noteRefusal(slot, kind, "\(farewell.reason) (close \(farewell.code))")
        }
        finish(slot) { variant.write(ending, farewell, to: $0) }
    }

    /// The session does not keep up: what waits for it is dropped, and it is told to come back.
    func closeSlow(_ slot: UInt32) {
        let session = session(slot)
        session.pointee.flags.remove(.slow)
        guard session.pointee.phase == .open else { return }
        if session.pointee.linkage == .cut { return drop(slot, .notResumed) }
        if session.pointee.linkage == .arriving { return giveUp(slot) }
        context.counters.slowDisconnects += 1
        io.sendGathered()
        let dropped = session.pointee.outbound.dropUnsent(committed: session.pointee.stream.committedBytes)
        io.outboundBytes -= dropped
        context.counters.slowBytesDropped &+= UInt64(dropped)
        end(slot, .slow)
    }

    /// All sessions together have more waiting than the node may hold. This one does not take what it was just sent, and a
    /// close frame would have to wait behind that: its connection is cut.
    func cutOff(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        context.counters.nodeOutboundLimitHits += 1
        if session.pointee.phase == .open { context.counters.slowDisconnects += 1 }
        context.counters.slowBytesDropped &+= UInt64(session.pointee.outbound.bytes)
        drop(slot, .slow)
    }

    /// Whether somebody wants to hear that a session closes: of one that never was in, nobody has to.
    private func isClosingTold(_ slot: UInt32) -> Bool {
        events.wants([.sessionClosed, .slowConsumer]) && session(slot).pointee.phase == .open && wasIn(slot)
    }

    /// Whether its end is told here. It is not of a session that is on its way from one node to another: where it is whole, it is told.
    private func wasIn(_ slot: UInt32) -> Bool {
        channels.isOneOfEverybody(slot) && session(slot).pointee.linkage != .arriving
            && extras(slot)?.resumption?.hasMoved != true
    }

    /// The application of its hub is told, if the session was in.
    private func tellGone(_ slot: UInt32, _ ending: Ending?) {
        let session = session(slot)
        guard context.settings.upstream != nil, session.pointee.phase == .open, wasIn(slot) else { return }
        tellUpstream(
            slot,
            .disconnected(
                error: ending.map { $0.isOwnWish ? nil : session.pointee.dialect.farewell($0).reason }
                    ?? "The connection ended without a goodbye."))
    }

    private func beginClosing(_ slot: UInt32) -> Bool {
        let session = session(slot)
        guard session.pointee.phase != .free, session.pointee.phase != .closing else { return false }
        if session.pointee.phase == .open { noteClosing(slot, session) }
        forgetWaiting(slot)
        forgetResumption(slot)
        channels.unsubscribeFromAll(slot)
        // Who asks for its last words is answered as before.
        let polled = extras(slot)?.polled
        session.pointee.freeExtras()
        session.pointee.phase = .closing
        if let polled {
            makeExtras(slot).polled = polled
            polls.ending(slot)
        }
        io.forgetIncomplete(session)
        session.pointee.reader.reset()
        if !session.pointee.flags.isDisjoint(with: SessionSlot.Flags.unread) {
            session.pointee.flags.subtract(SessionSlot.Flags.unread)
            io.updateInterest(slot)
        }
        return true
    }

    private func noteClosing(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        context.counters.closed += 1
        if session.pointee.isKnownByID || session.pointee.linkage.isCounting {
            request(.closed(session.pointee.secret, locator(of: slot)))
        }
    }

    /// Sends the last bytes.
    private func finish(_ slot: UInt32, _ write: (ByteWriter) -> Void) {
        if io.repliesFor == slot { io.sendGathered() }
        let session = session(slot)
        writer.removeAll()
        write(writer)
        if writer.count > 0 {
            // Past the budget on purpose: these are some hundred bytes, and they say why.
            let block = Block(copying: writer.bytes)
            session.pointee.outbound.append(block, from: 0, to: block.count)
            io.outboundBytes += block.count
            block.release()
        }
        // From here on what is thrown away.
        session.pointee.bytesIn = 0
        // With nothing to send the flush at the end of the slice still shuts our side down.
        io.markDirty(slot, session)
        if session.pointee.linkage.hasConnection { arm(.lingering, slot, after: Self.lingering) }
    }

    /// Everything was sent: our side is closed, and the other side has until the alarm to do the same. Closing the
    /// socket at once would reset the connection if bytes of the client are still unread, and our last words with it.
    func finishClosing(_ slot: UInt32) {
        let session = session(slot)
        guard !session.pointee.flags.contains(.shut) else { return }
        if let poll = extras(slot)?.poll, poll.isAnswered {
            admittance.pollDelivered(slot, isTaken: true)
            arm(.lingering, slot, after: Self.lingering)
        }
        guard session.pointee.stream.shutdownWrite() else {
            // TLS says goodbye too, and the socket is full: again when it takes bytes.
            session.pointee.flags.insert(.blocked)
            return io.updateInterest(slot)
        }
        session.pointee.flags.insert(.shut)
    }

    /// The client said something after our goodbye: it does not count (RFC 6455 1.4), but reading it takes time.
    func discarded(_ slot: UInt32) {
        guard session(slot).pointee.bytesIn > Self.lingeringBytes else { return }
        context.counters.discardLimitHits += 1
        drop(slot)
    }

    /// The connection is gone, or is to go at once.
    ///
    /// - Parameter ending: Why it is to go; nil when it is gone.
    func drop(_ slot: UInt32, _ ending: Ending? = nil) {
        if ending == nil, context.table.isTaken(slot), cut(slot) { return }
        if io.repliesFor == slot {
            io.repliesFor = .max
            io.gatheredReplies.removeAll()
        }
        guard context.table.isTaken(slot) else { return fault("a session that is over is dropped") }
        let session = session(slot)
        if session.pointee.phase == .open { noteClosing(slot, session) }
        if context.isTracing { context.traceEnded(slot) }
        tellGone(slot, ending)
        let isTold = isClosingTold(slot)
        let id = lastingID(of: slot)
        let hasConnection = session.pointee.linkage.hasConnection
        if session.pointee.linkage == .cut { cutSessions -= 1 }
        admittance.forgetPoll(slot)
        if session.pointee.phase == .polling { context.awaitedPolls -= 1 }
        polls.forget(slot)
        forgetWaiting(slot)
        forgetResumption(slot)
        channels.unsubscribeFromAll(slot)
        if isTold { noteGone(slot, id, ending) }
        admittance.forgetCredentials(session)
        io.outboundBytes -= session.pointee.outbound.bytes
        io.noteKernelBytes(session, 0)
        io.forgetIncomplete(session)
        if session.pointee.flags.contains(.counted) {
            context.admission.gone(session.pointee.peer.address, wasOpen: session.pointee.flags.contains(.settled))
        }
        if hasConnection {
            reactor.deregister(session.pointee.stream.descriptor)
            session.pointee.stream.close()
        }
        if !context.table.release(slot) { fault("a session that is over is released") }
        context.admission.left()
    }

    private func noteGone(_ slot: UInt32, _ id: SessionID, _ ending: Ending?) {
        let farewell = ending.map { session(slot).pointee.dialect.farewell($0) }
        noteClosed(
            slot, id, code: farewell?.code ?? .abnormal,
            reason: farewell?.reason ?? "the connection ended without a goodbye",
            cause: ending?.cause ?? Ending.goneCause)
    }

    /// Nothing waits for the session any more.
    private func forgetWaiting(_ slot: UInt32) {
        _ = admittance.takeConnecting(slot)
        serverCommands.sessionSettled(slot, isOpen: false)
        io.forgetInput(slot)
    }

    /// Closes every session, for the end of the process.
    func closeAll() {
        for slot in 0..<UInt32(context.table.used) where session(slot).pointee.phase != .free {
            // What began no session is answered as what it is.
            if session(slot).pointee.phase == .polling {
                admittance.endPoll(slot)
            } else if [.body, .carrying, .publishing].contains(session(slot).pointee.phase)
                || extras(slot)?.pendingLogin?.beginsNoSession == true
            {
                admittance.refuse(slot, .leaving)
            } else {
                end(slot, .shutdown(comeBackAfter: nil))
            }
        }
        io.flushDirty()
    }
}

extension HTTPError {
    fileprivate static var leaving: HTTPError {
        HTTPError(
            status: 503, code: "temporarily_unavailable", message: "the node is shutting down, try again",
            headers: [("Retry-After", "1")])
    }
}
