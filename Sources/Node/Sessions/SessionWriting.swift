import Codec
import Reactor

/// What sessions are sent: appended within their budgets, gathered, and flushed once a slice.
extension SessionIO {
    /// Puts bytes behind what waits for a session, within its budget, and marks it for the flush.
    @inline(__always)
    func append(
        _ block: Block, from start: Int, to end: Int, as mark: Outbound.Mark = .kept, for slot: UInt32
    ) {
        if repliesFor == slot { sendGathered() }
        let session = session(slot)
        if session.pointee.linkage.isCounting {
            return appendCounted(block, from: start, to: end, as: mark, for: slot)
        }
        let waiting = session.pointee.outbound.bytes
        // Whoever has nothing waiting may get a piece of any size; the budget is for those who do not keep up.
        if waiting > 0 {
            if mark.kind != .kept { return fanOut.appendLossy(block, from: start, to: end, as: mark, for: slot) }
            // What may be dropped has a budget of its own.
            if waiting + (end - start) - session.pointee.outbound.lossyBytes > context.settings.outboundBytes {
                return markSlow(slot)
            }
            if outboundBytes + (end - start) > context.settings.reactorOutboundBytes {
                context.counters.nodeOutboundLimitHits += 1
                return markSlow(slot)
            }
        }
        session.pointee.outbound.append(block, from: start, to: end, as: mark)
        outboundBytes &+= end - start
        markDirty(slot, session)
    }

    /// Bytes a reply to a session may have: what is left of its budget and of the node's. Whatever is as long as what a
    /// client asks for is measured against this before it is written.
    func room(for slot: UInt32) -> Int {
        let outbound = session(slot).pointee.outbound
        let gathered = gatheredReplies.count
        let own =
            context.settings.outboundBytes - (outbound.bytes - outbound.lossyBytes)
            - (repliesFor == slot ? gathered : 0)
        return max(0, min(own, context.settings.reactorOutboundBytes - outboundBytes - gathered))
    }

    /// The first publications that fit into a reply. One fits in any case when nothing waits for the session and the node
    /// has room for it, as one that is published does.
    func fitting(
        _ publications: [Publication], for slot: UInt32, hasDeltas: Bool = false, room: Int
    ) -> (publications: ArraySlice<Publication>, bytes: Int) {
        let variant = session(slot).pointee.variant
        let isIdle =
            session(slot).pointee.outbound.isEmpty && repliesFor != slot
            && extras(slot)?.connecting?.replyBytes ?? 0 == 0
        var bytes = 0
        for (index, publication) in publications.enumerated() {
            let more = PublicationEncoder.maximumBytes(publication, as: variant, hasDeltas: hasDeltas)
            if bytes + more > room {
                let isAllowed = index == 0 && isIdle && outboundBytes + more <= context.settings.reactorOutboundBytes
                guard isAllowed else { return (publications[..<index], bytes) }
            }
            bytes += more
        }
        return (publications[...], bytes)
    }

    @inline(__always)
    func markDirty(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        // A blocked session is flushed when its socket says so.
        if session.pointee.flags.isDisjoint(with: [.dirty, .blocked]) {
            session.pointee.flags.insert(.dirty)
            dirty.append(slot)
        }
    }

    func markSlow(_ slot: UInt32) {
        guard !session(slot).pointee.flags.contains(.slow) else { return }
        session(slot).pointee.flags.insert(.slow)
        slow.append(slot)
    }

    /// Sends bytes to one session.
    ///
    /// Replies to one session mostly come in a row (a client pipelines, the backplane answers in order), so they are
    /// gathered until somebody else gets one, and become one block together.
    func send(_ slot: UInt32, _ write: (ByteWriter) -> Void) {
        if repliesFor != slot || gatheredReplies.count > Self.gatheredReplyBytes { sendGathered() }
        let before = gatheredReplies.count
        write(gatheredReplies)
        if gatheredReplies.count > before { repliesFor = slot }
    }

    private static var gatheredReplyBytes: Int { 16 * 1024 }

    /// Puts the gathered replies where they belong. Before anything else is appended for their session, and before each
    /// flush.
    func sendGathered() {
        guard repliesFor != .max else { return }
        let slot = repliesFor
        repliesFor = .max
        guard gatheredReplies.count > 0 else { return }
        let phase = session(slot).pointee.phase
        guard phase == .open || phase == .closing else {
            gatheredReplies.removeAll()
            return fault("a reply to a session that is not open")
        }
        let block = Block(copying: gatheredReplies.bytes)
        gatheredReplies.removeAll(keeping: 2 * Self.gatheredReplyBytes)
        append(block, from: 0, to: block.count, for: slot)
        block.release()
    }

    /// One `send` for every session that got something, however much it got and from however many channels.
    func flushDirty() {
        sendGathered()
        if !fanOut.lagging.isEmpty { fanOut.endLagging() }
        var index = 0
        while index < dirty.count {
            if let ring = reactor.sendRing, dirty.count - index >= Self.worthBatching, !context.isTracing {
                index = flushBatch(from: index, with: ring)
            } else {
                flushIfDirty(dirty[index])
                index += 1
            }
        }
        dirty.removeAll(keepingCapacity: true)
        while let slot = slow.popLast() {
            guard session(slot).pointee.flags.contains(.slow) else { continue }
            life.closeSlow(slot)
        }
    }

    @inline(__always)
    func flushIfDirty(_ slot: UInt32) {
        let session = session(slot)
        guard session.pointee.flags.contains(.dirty) else { return }
        session.pointee.flags.remove(.dirty)
        flush(slot, session)
    }

    @inline(__always)
    private func flush(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        if session.pointee.linkage == .polled { return polls.flush(slot, session) }
        let before = session.pointee.outbound.bytes
        context.counters.sends &+= 1
        if context.isTracing { context.traceWillSend(slot, session) }
        let result = session.pointee.outbound.flush(to: session.pointee.stream)
        let sent = before - session.pointee.outbound.bytes
        if context.isTracing { context.traceSent(slot, session, sent) }
        note(sent, session)
        flushed(slot, session, result)
    }

    @inline(__always)
    func note(_ sent: Int, _ session: UnsafeMutablePointer<SessionSlot>) {
        outboundBytes &-= sent
        context.counters.bytesOut &+= UInt64(sent)
        session.pointee.bytesOut &+= UInt64(sent)
    }

    /// What follows from what became of a send.
    @inline(__always)
    func flushed(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ result: Outbound.FlushResult) {
        switch result {
        case .done:
            if session.pointee.phase == .closing { life.finishClosing(slot) }
        case .blocked:
            if session.pointee.outbound.needsTrim { fanOut.trim(slot, session) }
            // What the first publication of a session that reads leaves behind counts too.
            if outboundBytes > context.settings.reactorOutboundBytes { return life.cutOff(slot, session) }
            // TLS may have to hear something first; then the next read goes on with it.
            guard !session.pointee.stream.sendWaitsForRead else { return }
            session.pointee.flags.insert(.blocked)
            noteKernelBytes(session, Socket.unacknowledgedBytes(session.pointee.stream.descriptor))
            updateInterest(slot)
        case .failed:
            context.counters.writeErrors += 1
            life.drop(slot)
        }
    }

    /// The socket takes bytes again.
    func resumeWriting(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        session.pointee.flags.remove(.blocked)
        noteKernelBytes(session, 0)
        flush(slot, session)
        guard session.pointee.phase != .free, !session.pointee.flags.contains(.blocked) else { return }
        updateInterest(slot)
    }

    /// What the kernel holds for a session that does not keep up is a part of its backlog.
    func noteKernelBytes(_ session: UnsafeMutablePointer<SessionSlot>, _ bytes: Int) {
        let now = UInt32(clamping: bytes)
        kernelBytes += Int(now) - Int(session.pointee.kernelBytes)
        session.pointee.kernelBytes = now
    }

    /// Tells a client something, in its dialect.
    func tell(_ slot: UInt32, _ outcome: Outcome, for reply: ReplyID = .none) {
        if session(slot).pointee.linkage.isCounting, !outcome.isCounted { return tellUncounted(slot, outcome) }
        send(slot) { session(slot).pointee.variant.write(outcome, for: reply, to: $0) }
    }

    /// Tells a client that what it asked for is not done.
    ///
    /// - Parameters:
    ///   - channel: What the command was about, for the log.
    ///   - limit: The key of the limit that decided, for the log.
    func fail(
        _ slot: UInt32, _ reply: ReplyID, _ failure: Failure, about channel: ChannelName? = nil, limit: String? = nil
    ) {
        noteFailure(slot, failure, channel, limit)
        tell(slot, .failed(failure), for: reply)
    }

    func writePublications(_ publications: [Publication], for slot: UInt32, to writer: ByteWriter) {
        for publication in publications {
            PublicationEncoder.write(
                publication, as: session(slot).pointee.variant, packing: context.packing, to: writer)
        }
    }
}
