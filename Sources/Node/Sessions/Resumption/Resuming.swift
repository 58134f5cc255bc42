import Codec
import Reactor

/// Sessions that outlive their connection.
///
/// A client that asked for it counts messages with the node, in both directions, and each side keeps what the other one has not
/// acknowledged. When the connection is cut, the session stays subscribed and waits. The client comes back with the id that was
/// negotiated, on a connection that begins as a session of its own; that one gives its socket to the session that waits, and is no more.
extension SessionLife {
    /// From here on messages are counted. What was sent before was not.
    func beginCounting(_ slot: UInt32) {
        let session = session(slot)
        guard session.pointee.linkage == .undecided, session.pointee.phase == .open else { return }
        io.sendGathered()
        session.pointee.linkage = .counted
        makeExtras(slot).resumption = Resumption(isRecorded: recordsSessions)
        if !session.pointee.traits.isFoundByID { request(.opened(session.pointee.secret, locator(of: slot))) }
    }

    /// Nothing can be gone on with here any more.
    func forgetResumption(_ slot: UInt32) {
        guard let resumption = extras(slot)?.resumption else { return }
        if !resumption.hasMoved { removeRecord(slot, resumption) }
        // What an arriving session has joined it leaves while it still counts as arriving: nobody was told that it joined.
        if session(slot).pointee.linkage == .arriving || resumption.hasMoved { channels.unsubscribeFromAll(slot) }
        io.forgetKept(resumption)
        if let fence = resumption.handover?.fence ?? resumption.arrival?.fence { fences[fence] = nil }
        if !resumption.hasMoved, resumption.arrival == nil {
            gone.insert(session(slot).pointee.secret, for: credentials(slot)?.user)
        }
        extras(slot)?.resumption = nil
        session(slot).pointee.linkage = .plain
    }

    // MARK: The connection

    /// The connection is gone, and the session waits for another one.
    ///
    /// - Returns: False where it cannot: then it ends.
    func cut(_ slot: UInt32) -> Bool {
        let session = session(slot)
        guard session.pointee.linkage == .counted, session.pointee.phase == .open, leaving == nil,
            context.settings.resume.time > .zero
        else { return false }
        if io.repliesFor == slot { io.sendGathered() }
        guard let resumption = extras(slot)?.resumption, resumption.isKeeping else { return false }
        if context.isTracing { context.traceEnded(slot) }
        session.pointee.linkage = .cut
        // What was not carried out was not acknowledged either, and comes again.
        io.forgetInput(slot)
        io.forgetIncomplete(session)
        session.pointee.reader.reset()
        // All of it is kept.
        io.outboundBytes -= session.pointee.outbound.bytes
        session.pointee.outbound.removeAll()
        io.noteKernelBytes(session, 0)
        session.pointee.flags.subtract([.blocked, .dirty, .slow])
        reactor.deregister(session.pointee.stream.descriptor)
        session.pointee.stream.close()
        session.pointee.stream = Stream(descriptor: -1)
        resumption.deadline = reactor.now + context.settings.resume.time
        arm(.resume, slot, after: context.settings.resume.time)
        context.counters.sessionsCut += 1
        cutSessions += 1
        return true
    }

    /// The session has waited as long as it may, if it was not taken up meanwhile.
    func checkResume(_ slot: UInt32) {
        guard session(slot).pointee.linkage == .cut, let deadline = extras(slot)?.resumption?.deadline else { return }
        guard deadline <= .now() else { return }
        context.counters.resumeTimeouts += 1
        drop(slot, .notResumed)
    }

    // MARK: What the client says

    /// A message came that is counted.
    ///
    /// - Returns: Whether it is new, and not one that the client sent again.
    func isNew(_ slot: UInt32, bytes: Int) -> Bool {
        guard let resumption = extras(slot)?.resumption else { return true }
        guard resumption.received.receive(bytes: bytes) else {
            context.counters.resumeRepeats += 1
            return false
        }
        if resumption.received.isDue {
            acknowledge(slot)
        } else if !resumption.isAcknowledgementArmed {
            resumption.isAcknowledgementArmed = true
            arm(.acknowledge, slot)
        }
        return true
    }

    /// Tells the client what came.
    func acknowledge(_ slot: UInt32) {
        guard session(slot).pointee.linkage == .counted, let number = extras(slot)?.resumption?.received.acknowledge()
        else { return }
        io.tell(slot, .acknowledged(number))
    }

    func acknowledgeLate(_ slot: UInt32) {
        extras(slot)?.resumption?.isAcknowledgementArmed = false
        acknowledge(slot)
    }

    func acknowledged(_ slot: UInt32, _ number: UInt64) {
        guard let resumption = extras(slot)?.resumption else { return }
        if !io.acknowledged(number, resumption) { return breakOff(slot) }
        if resumption.isRecorded { considerRecord(slot) }
    }

    func renumbered(_ slot: UInt32, next: UInt64) {
        guard let resumption = extras(slot)?.resumption else { return }
        if !resumption.received.renumber(next: next) { breakOff(slot) }
    }

    private func breakOff(_ slot: UInt32) {
        context.counters.protocolErrors += 1
        end(slot, .malformed)
    }

    // MARK: Coming back

    /// A client wants to go on with a session: whoever knows where that is is asked.
    func resume(_ slot: UInt32, _ resume: Intent.Resume) {
        let session = session(slot)
        guard session.pointee.linkage == .undecided else { return breakOff(slot) }
        session.pointee.variant = session.pointee.variant.speaking(resume.encoding)
        io.suspendInput(slot)
        let wanted = ResumeRequest(
            id: session.pointee.secret, connection: locator(of: slot), variant: session.pointee.variant,
            user: credentials(slot)?.user, next: resume.next)
        makeExtras(slot).resuming = wanted
        request(.resume(wanted))
    }

    /// Whether a session of this reactor can be gone on with in the way that is asked for.
    func isResumable(_ session: Locator, _ wanted: ResumeRequest) -> Bool {
        guard let found = find(session), found.pointee.phase == .open,
            [.counted, .cut].contains(found.pointee.linkage),
            found.pointee.secret.isSame(as: wanted.id), found.pointee.variant == wanted.variant,
            credentials(session.slot)?.user == wanted.user, let resumption = extras(session.slot)?.resumption
        else { return false }
        return resumption.isKeeping && resumption.handover == nil
            && resumption.received.isPossible(next: wanted.next)
    }

    /// It is known where the session is that a client wants to go on with.
    ///
    /// - Parameter place: Nil when it is nowhere, or cannot be gone on with.
    func found(_ place: Locator?, for connection: Locator) {
        guard let session = find(connection), session.pointee.phase == .open,
            let wanted = extras(connection.slot)?.resuming
        else { return }
        guard let place, session.pointee.outbound.isEmpty, io.repliesFor != connection.slot else {
            context.counters.resumesRefused += 1
            // Some clients try once more, whatever they are told.
            gone.insert(session.pointee.secret, for: wanted.user)
            // Clients listen to nothing before they were told how the node counts.
            io.tell(connection.slot, .renumbered(next: 1))
            return end(connection.slot, .unknownSession)
        }
        let moved = giveAway(connection.slot, wanted)
        if Int(place.reactor) == index { take(moved, for: place) } else { request(.moved(moved, to: place)) }
    }

    /// Takes the connection from a session that is no more from here on.
    private func giveAway(_ slot: UInt32, _ wanted: ResumeRequest) -> MovedConnection {
        let session = session(slot)
        context.counters.closed += 1
        if context.isTracing { context.traceEnded(slot) }
        serverCommands.sessionSettled(slot, isOpen: false)
        let moved = MovedConnection(
            stream: session.pointee.stream, reader: session.pointee.reader, input: io.giveInput(slot),
            peer: session.pointee.peer, flags: session.pointee.flags.intersection([.counted, .settled, .secure]),
            request: wanted)
        io.forgetIncomplete(session)
        session.pointee.reader = session.pointee.reader.fresh
        admittance.forgetCredentials(session)
        io.noteKernelBytes(session, 0)
        reactor.deregister(session.pointee.stream.descriptor)
        session.pointee.stream.leaveThread()
        session.pointee.stream = Stream(descriptor: -1)
        if !context.table.release(slot) { fault("a session that gave its connection away is released") }
        context.admission.left()
        return moved
    }

    /// A session of this reactor gets the connection of the client that came back to it.
    func take(_ moved: MovedConnection, for place: Locator) {
        guard isResumable(place, moved.request), let session = find(place),
            session.pointee.linkage == .cut || cut(place.slot), let resumption = extras(place.slot)?.resumption
        else { return refuse(moved) }
        let slot = place.slot
        do {
            try reactor.register(
                moved.stream.descriptor, for: .readable, handler: context.handler, slot: slot,
                generation: place.generation)
        } catch {
            return refuse(moved)
        }
        context.counters.sessionsResumed += 1
        cutSessions -= 1
        admitted(moved, slot)
        session.pointee.stream = moved.stream
        session.pointee.linkage = .counted
        session.pointee.flags.insert(.heard)
        resumption.deadline = nil
        _ = resumption.received.renumber(next: moved.request.next)
        session.pointee.reader = moved.reader
        if moved.reader.isIncomplete { io.isIncomplete(slot, session, isNew: true) }
        io.sendKept(slot, resumption)
        acknowledge(slot)
        guard session.pointee.phase == .open else { return }
        // A command that waits for its verdict was taken before the cut. What comes now waits for it, as it would have then.
        io.takeInput(moved.input, slot, isWaiting: (extras(slot)?.verdictsUnderWay ?? 0) > 0)
    }

    /// The admission counts the session with the address that its client has now.
    private func admitted(_ moved: MovedConnection, _ slot: UInt32) {
        let session = session(slot)
        if session.pointee.flags.contains(.counted) {
            context.admission.gone(session.pointee.peer.address, wasOpen: session.pointee.flags.contains(.settled))
        }
        session.pointee.flags.subtract([.counted, .settled, .secure])
        session.pointee.flags.formUnion(moved.flags)
        session.pointee.peer = moved.peer
    }

    /// The session was there when it was looked for, and is not any more.
    private func refuse(_ moved: MovedConnection) {
        context.counters.resumesRefused += 1
        if moved.flags.contains(.counted) {
            context.admission.gone(moved.peer.address, wasOpen: moved.flags.contains(.settled))
        }
        let variant = moved.request.variant
        writer.removeAll()
        variant.write(.renumbered(next: 1), to: writer)
        variant.write(.unknownSession, variant.dialect.farewell(.unknownSession), to: writer)
        _ = moved.stream.send(writer.bytes)
        moved.stream.shutdownWrite()
        var reader = moved.reader
        reader.reset()
        moved.stream.close()
    }
}
