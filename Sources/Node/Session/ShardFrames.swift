import Backplane
import Codec

/// What open sessions send: frames become messages, messages become publications or commands.
extension Shard {
    func receivedFrames(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ bytes: UnsafeMutableRawBufferPointer
    ) {
        // An event stream has nothing to say after its request.
        if session.pointee.dialect == .sse { return }
        let generation = session.pointee.generation
        // The reader works outside the slot, because what an event leads to may close the session and free the slot.
        var reader = session.pointee.reader
        let messages = session.pointee.messagesIn
        let wasIncomplete = reader.isIncomplete
        incompleteBytes -= reader.bufferedBytes
        session.pointee.reader = reader.fresh
        reader.receive(bytes, limits: settings.frameLimits) { event in
            receivedEvent(event, slot, session)
            if !failed.isEmpty, failed.last?.locator.slot == slot { return false }
            return session.pointee.generation == generation && session.pointee.phase == .open
        }
        guard session.pointee.generation == generation, session.pointee.phase == .open else { return reader.reset() }
        session.pointee.reader = reader
        if reader.isIncomplete {
            isIncomplete(slot, session, isNew: !wasIncomplete || messages != session.pointee.messagesIn)
        }
    }

    private func receivedEvent(_ event: FrameEvent, _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        switch event {
        case .message(let opcode, let payload):
            receivedMessage(slot, session, opcode, payload)
        case .compressed(let opcode, let payload):
            receivedCompressed(slot, session, opcode, payload)
        case .ping(let payload):
            guard isControlFrameInTime(slot, session) else { return }
            writer.removeAll()
            FrameWriter.write(.pong, payload, to: writer)
            sendWritten(slot)
        case .pong:
            _ = isControlFrameInTime(slot, session)
        case .close(let code, _):
            // RFC 6455 5.5.1: the reply usually echoes the code.
            close(slot, code: code ?? .normal, reason: "")
        case .failure(let error):
            broke(slot, error)
        }
    }

    private func receivedMessage(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer
    ) {
        counters.messagesIn &+= 1
        session.pointee.messagesIn &+= 1
        switch session.pointee.dialect {
        case .raw: publishRaw(slot, session, payload, kind: opcode == .text ? .text : .binary)
        case .centrifuge: receivedCentrifuge(slot, session, payload, isText: opcode == .text)
        case .sse: break
        }
    }

    private func receivedCompressed(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer
    ) {
        switch inflater.inflate(payload, limit: settings.frameLimits.messageBytes) {
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
        if error.closeCode == .tooBig { counters.oversizedMessages += 1 } else { counters.protocolErrors += 1 }
        failed.append((locator(of: slot), error))
    }

    private func publishRaw(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ payload: UnsafeRawBufferPointer,
        kind: PayloadKind
    ) {
        guard let channel = channelsByIndex[Int(session.pointee.subscriptions[0].channel)] else { return }
        guard channel.rule.publish == .client || channel.rule.allowsPublish(to: channel.name, credentials(slot)) else {
            counters.refusedPublishes += 1
            return close(
                slot, code: .policyViolation, reason: "publishing to channel '\(channel.name)' is not permitted")
        }
        charge(slot, session)
        publish(channel.name, kind, payload, from: slot, command: 0, extras: nil)
        if isLinked { throttle(slot, channel.name) } else { pauseUntilLinked(slot) }
    }

    /// Sends a client's publication on its way; the outcome comes back to `published`.
    func publish(
        _ name: ChannelName, _ kind: PayloadKind, _ payload: UnsafeRawBufferPointer, from slot: UInt32,
        command: UInt32, extras: Publication.Extras?
    ) {
        counters.published &+= 1
        session(slot).pointee.unanswered &+= 1
        let publication = Publication(
            channel: name, kind: kind, payload: Array(payload), origin: node, extras: extras)
        let ticket = PublishTicket(
            reactor: UInt8(index), slot: slot, generation: session(slot).pointee.generation, command: command)
        request(.publish(publication, ticket))
    }

    func published(_ ticket: PublishTicket, _ outcome: PublishOutcome) {
        if case .refused = outcome { counters.refusedPublishes += 1 }
        guard let session = table.find(ticket.slot, generation: ticket.generation), session.pointee.phase == .open
        else { return }
        session.pointee.unanswered &-= 1
        switch session.pointee.dialect {
        case .centrifuge:
            answerPublish(ticket.slot, command: ticket.command, outcome)
        case .raw, .sse:
            // A frame has no reply, and closing a session would cost its subscriptions: the loss is counted. Whoever
            // has to know publishes through the API or the centrifuge dialect.
            break
        }
    }
}
