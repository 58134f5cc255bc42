import Codec

/// What sessions are sent whose messages are counted.
extension SessionIO {
    /// Puts bytes behind what waits for a session, and keeps the messages in them until the client has acknowledged them. A session
    /// whose connection was cut gets them when it has another one.
    ///
    /// Nothing of it may be dropped, whatever the channel's rule: the client counts what it gets.
    @inline(never)
    func appendCounted(_ block: Block, from start: Int, to end: Int, as mark: Outbound.Mark, for slot: UInt32) {
        let session = session(slot)
        guard let resumption = extras(slot)?.resumption else { return fault("messages are counted and not kept") }
        if !isUncounted, resumption.isKeeping { keep(block, start..<end, mark, resumption, slot) }
        guard session.pointee.linkage == .counted else { return }
        if resumption.heldFrom != nil, !isUncounted {
            // What is not kept cannot be sent later.
            if !resumption.isKeeping { markSlow(slot) }
            return
        }
        let waiting = session.pointee.outbound.bytes
        if waiting > 0 {
            // What is kept has a budget of its own, in which what waits is counted too.
            if !resumption.isKeeping, waiting + (end - start) > context.settings.outboundBytes { return markSlow(slot) }
            if outboundBytes + (end - start) > context.settings.reactorOutboundBytes {
                context.counters.nodeOutboundLimitHits += 1
                return markSlow(slot)
            }
        }
        session.pointee.outbound.append(block, from: start, to: end)
        outboundBytes &+= end - start
        markDirty(slot, session)
    }

    private func keep(
        _ block: Block, _ bytes: Range<Int>, _ mark: Outbound.Mark, _ resumption: Resumption, _ slot: UInt32
    ) {
        let messages = FrameWalk.messages(
            in: UnsafeRawBufferPointer(start: block.start + bytes.lowerBound, count: bytes.count))
        guard messages > 0 else { return }
        let limits = context.settings.resume
        let kept = resumption.unacknowledged
        guard kept.messages + messages <= limits.messages, kept.bytes + bytes.count <= limits.bytes,
            resumeBytes + bytes.count <= context.settings.reactorResumeBytes
        else {
            context.counters.resumeLimitHits += 1
            forgetKept(resumption)
            life.removeRecord(slot, resumption)
            // It has nothing that a client could go on with.
            if session(slot).pointee.linkage != .counted { markSlow(slot) }
            return
        }
        let place = resumption.isRecorded ? place(of: mark, to: bytes.upperBound, in: block) : nil
        // No other node could know of it.
        if place == nil { life.withdrawRecord(slot) }
        resumption.unacknowledged.append(block, bytes, messages: messages, at: place)
        resumeBytes += bytes.count
    }

    /// Where what is appended ends in the history that has it; nil where none has.
    private func place(of mark: Outbound.Mark, to end: Int, in block: Block) -> UnacknowledgedBlocks.Place? {
        let channels = fanOut.channels.byIndex
        guard channels.indices.contains(Int(mark.channel)), let channel = channels[Int(mark.channel)],
            channel.rule.history != nil, !channel.name.isReserved, let pass = channel.pass, pass.areAllKept,
            let position = pass.position(at: end, of: block)
        else { return nil }
        return .init(channel: channel.index, position: position)
    }

    /// Nothing is kept for the session any more: it ends with its connection.
    func forgetKept(_ resumption: Resumption) {
        resumption.isKeeping = false
        resumeBytes -= resumption.unacknowledged.bytes
        resumption.unacknowledged.removeAll()
    }

    /// The client has all messages up to a number.
    ///
    /// - Returns: False for a number that was never sent.
    func acknowledged(_ number: UInt64, _ resumption: Resumption) -> Bool {
        guard resumption.isKeeping else { return true }
        resumeBytes -= resumption.unacknowledged.bytes
        defer { resumeBytes += resumption.unacknowledged.bytes }
        return resumption.unacknowledged.acknowledge(number)
    }

    /// Tells a client something that neither side counts; one whose connection was cut needs none of it.
    func tellUncounted(_ slot: UInt32, _ outcome: Outcome) {
        guard session(slot).pointee.linkage == .counted else { return }
        sendGathered()
        send(slot) { session(slot).pointee.variant.write(outcome, to: $0) }
        isUncounted = true
        sendGathered()
        isUncounted = false
    }

    /// Sends what the client has not acknowledged once more, on another connection.
    func sendKept(_ slot: UInt32, _ resumption: Resumption) {
        let session = session(slot)
        tellUncounted(slot, .renumbered(next: resumption.unacknowledged.next))
        let end = resumption.heldFrom ?? .max
        resumption.unacknowledged.forEachPart { first, block, bytes in
            if first < end { send(block, bytes, session) }
        }
        markDirty(slot, session)
    }

    /// Sends what was kept and not sent.
    func sendHeld(_ slot: UInt32, _ resumption: Resumption, from number: UInt64) {
        let session = session(slot)
        resumption.unacknowledged.forEachPart { first, block, bytes in
            if first >= number { send(block, bytes, session) }
        }
        markDirty(slot, session)
    }

    private func send(_ block: Block, _ bytes: Range<Int>, _ session: UnsafeMutablePointer<SessionSlot>) {
        session.pointee.outbound.append(block, from: bytes.lowerBound, to: bytes.upperBound)
        outboundBytes += bytes.count
    }
}
