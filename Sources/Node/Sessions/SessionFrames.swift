import Codec

/// What open sessions send: frames become messages, messages become commands.
extension SessionIO {
    func receivedFrames(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ bytes: UnsafeMutableRawBufferPointer
    ) {
        guard session.pointee.traits.takesInput else { return }
        if session.pointee.flags.contains(.suspended) { return hold(slot, frames: UnsafeRawBufferPointer(bytes)) }
        // The reader works outside the slot, because what an event leads to may end the session, which resets its reader.
        var reader = session.pointee.reader
        let messages = session.pointee.messagesIn
        let wasIncomplete = reader.isIncomplete
        incompleteBytes -= reader.bufferedBytes
        session.pointee.reader = reader.fresh
        let locator = locator(of: slot)
        let limits = context.settings.frameLimits(session.pointee.traits)
        let taken = reader.receive(bytes, limits: limits) { event in
            receivedEvent(event, slot, session)
            if !failed.isEmpty, failed.last?.locator == locator { return false }
            return session.pointee.phase == .open && session.pointee.linkage != .cut
                && !session.pointee.flags.contains(.suspended)
        }
        guard session.pointee.phase == .open, session.pointee.linkage != .cut else { return reader.reset() }
        session.pointee.reader = reader
        if reader.isIncomplete {
            isIncomplete(slot, session, isNew: !wasIncomplete || messages != session.pointee.messagesIn)
        }
        if session.pointee.flags.contains(.suspended) {
            hold(slot, frames: UnsafeRawBufferPointer(rebasing: bytes[taken...]))
        }
    }

    private func receivedEvent(_ event: FrameEvent, _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        switch event {
        case .message(let opcode, let payload):
            receivedMessage(slot, session, opcode, payload)
        case .compressed(let opcode, let payload):
            receivedCompressed(slot, session, opcode, payload)
        case .ping(let payload):
            if context.isTracing { context.traceReceived(slot, .ping, payload) }
            guard commands.isControlFrameInTime(slot, session) else { return }
            send(slot) { FrameWriter.write(.pong, payload, to: $0) }
        case .pong(let payload):
            if context.isTracing { context.traceReceived(slot, .pong, payload) }
            _ = commands.isControlFrameInTime(slot, session)
        case .close(let code, let reason):
            if context.isTracing { traceClose(slot, code, reason) }
            // Only one code says that the client wants to go; others are of whatever is between, or of a client that is in trouble.
            if session.pointee.linkage == .counted, code != .normal { return life.drop(slot) }
            // RFC 6455 5.5.1: the reply usually echoes the code.
            life.end(slot, .left(code ?? .normal))
        case .failure(let error):
            broke(slot, error)
        }
    }

    /// As it was in its frame.
    private func traceClose(_ slot: UInt32, _ code: CloseCode?, _ reason: UnsafeRawBufferPointer) {
        guard let code = code?.rawValue else { return context.traceReceived(slot, .close, reason) }
        let bytes = [UInt8(truncatingIfNeeded: code >> 8), UInt8(truncatingIfNeeded: code)] + Array(reason)
        bytes.withUnsafeBytes { context.traceReceived(slot, .close, $0) }
    }

    private func receivedMessage(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer
    ) {
        context.counters.messagesIn &+= 1
        session.pointee.messagesIn &+= 1
        if context.isTracing { context.traceReceived(slot, opcode, payload) }
        var message = IncomingMessage(
            payload, isText: opcode == .text, commandBytes: context.settings.frameLimits.messageBytes)
        if session.pointee.traits.hasCommands {
            receivedCommands(slot, session, message)
        } else if let intent = session.pointee.machine.next(in: &message, hint: nil) {
            commands.perform(intent, slot, session)
        }
    }

    private func receivedCompressed(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer
    ) {
        switch inflater.inflate(payload, limit: context.settings.frameLimits(session.pointee.traits).messageBytes) {
        case .message(let message):
            guard opcode != .text || UTF8Validator.isValid(message) else { return broke(slot, .notUTF8) }
            receivedMessage(slot, session, opcode, message)
        case .tooLarge: broke(slot, .messageTooBig)
        case .malformed: broke(slot, .notDeflate)
        }
    }

    /// The session broke the protocol: its reader takes nothing more, and what it had sent before is carried out first;
    /// see `closeFailed`.
    private func broke(_ slot: UInt32, _ error: FrameError) {
        if context.isTracing { context.traceBroken(slot, error) }
        if error.closeCode == .tooBig {
            context.counters.oversizedMessages += 1
        } else {
            context.counters.protocolErrors += 1
        }
        failed.append((locator(of: slot), error))
    }

    /// Closes the sessions that broke the protocol, after the passes: messages that came whole before the bad frame are
    /// published (RFC 6455 7.1.7 fails the connection, not the past). What they bring back to their sender reaches it if it
    /// is here by then, as it is with one reactor and no Redis; nobody waits for it.
    func closeFailed() {
        guard !failed.isEmpty else { return }
        let failures = failed
        failed = []
        for (locator, error) in failures where context.table.find(locator.slot, generation: locator.generation) != nil {
            life.end(locator.slot, .brokeFraming(error))
        }
    }
}
