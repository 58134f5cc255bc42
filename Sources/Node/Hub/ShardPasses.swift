import Codec
import Reactor

/// Fan-out: publications become backlog, backlog becomes passes, passes go over the rosters in slices.
extension Shard {
    /// Sessions served between two looks at the clock.
    static var sliceSessions: Int { 64 }
    /// How long the passes of one turn may take before the reactor looks at its sockets again.
    static var turnBudget: Duration { .milliseconds(1) }

    // MARK: In

    func delivered(_ publication: Publication) {
        counters.publications += 1
        if publication.channel.isReserved, publication.channel.isConnection { return deliverToConnection(publication) }
        if !connecting.isEmpty { keepForConnecting(publication) }
        // Nobody here any more: the exchange will hear of it.
        guard let channel = channels[publication.channel] else { return }
        if channel.backlogBytes + publication.payload.count > ShardChannel.maximumBacklogBytes {
            guard channel.kind != .kept else { return overrun(channel) }
            shorten(channel)
            guard channels[publication.channel] === channel else { return }
        }
        channel.nextSequence &+= 1
        channel.backlog.append(publication)
        let before = channel.backlogBytes
        channel.backlogBytes += publication.payload.count
        if before < ShardChannel.pausingBytes, channel.backlogBytes >= ShardChannel.pausingBytes { backlogged += 1 }
        enqueue(channel)
    }

    private func enqueue(_ channel: ShardChannel) {
        guard !channel.isQueued else { return }
        channel.isQueued = true
        queue.append(channel)
    }

    private func deliverToConnection(_ publication: Publication) {
        guard let id = SessionID(connectionChannel: publication.channel), let slot = find(id),
            session(slot).pointee.phase == .open
        else { return }
        writer.removeAll()
        PublicationEncoder.write(
            publication, as: session(slot).pointee.variant, packing: packing, to: writer)
        counters.deliveries += 1
        sendWritten(slot)
    }

    /// Publications came faster than the passes could send them for so long that memory would run out. Dropping some
    /// silently is not an option, so the subscribers here are told in the one way every dialect has: they are
    /// disconnected as slow, with a reason that says reconnect.
    private func overrun(_ channel: ShardChannel) {
        counters.backlogOverruns += 1
        counters.publicationsOverrun += UInt64(channel.backlog.count) + 1
        let before = channel.backlogBytes
        channel.backlog = []
        channel.backlogBytes = 0
        noteBacklog(of: channel, before: before)
        for variant in Variant.allCases {
            let roster = channel.rosters[Int(variant.rawValue)]
            for place in 0..<roster.count { markSlow(roster.entries[place].slot) }
        }
    }

    // MARK: The run queue

    /// Goes on with the passes until the turn's time is used.
    ///
    /// - Returns: Whether something is left to do.
    func runPasses() -> Bool {
        guard queueStart < queue.count else { return false }
        let deadline = MonotonicTime.now() + Self.turnBudget
        repeat {
            let channel = queue[queueStart]
            queueStart += 1
            if serve(channel) {
                // Its next slice comes after everybody else's.
                queue.append(channel)
            } else {
                channel.isQueued = false
            }
            flushDirty()
            if queueStart == queue.count {
                queue.removeAll(keepingCapacity: true)
                queueStart = 0
                return false
            }
        } while MonotonicTime.now() < deadline
        if queueStart >= 1024 {
            queue.removeFirst(queueStart)
            queueStart = 0
        }
        return true
    }

    /// Serves one slice of a channel.
    ///
    /// - Returns: Whether the channel wants another turn.
    private func serve(_ channel: ShardChannel) -> Bool {
        if channel.pass == nil {
            guard !channel.backlog.isEmpty else { return false }
            beginPass(of: channel)
        }
        while channel.pass!.variant < Variant.allCases.count {
            let roster = channel.rosters + channel.pass!.variant
            if roster.pointee.isServed {
                channel.pass!.variant += 1
                channel.pass!.deinitialize()
                continue
            }
            let encoded =
                channel.pass!.encoded
                ?? channel.pass!.encode(
                    for: Variant(rawValue: UInt8(channel.pass!.variant))!, packing: packing, with: writer,
                    keepsEnds: channel.pass!.kind == .latest)
            let slice = roster.pointee.takeSlice(most: Self.sliceSessions)
            if channel.pass!.exceptions.isEmpty {
                deliver(encoded, of: channel, to: slice, of: roster.pointee.entries)
            } else {
                deliverWithExceptions(encoded, of: channel, to: slice, of: roster.pointee.entries)
            }
            return true
        }
        endPass(of: channel)
        return !channel.backlog.isEmpty
    }

    private func beginPass(of channel: ShardChannel) {
        let before = channel.backlogBytes
        let (publications, first) = channel.takeBatch()
        counters.passes += 1
        noteBacklog(of: channel, before: before)
        channel.pass = Pass(
            publications: publications, firstSequence: first, kind: channel.kind(of: publications),
            channel: channel.index,
            reactor: UInt8(index), node: node)
        for variant in Variant.allCases { channel.rosters[Int(variant.rawValue)].beginPass() }
    }

    /// The backlog became shorter: those who waited for that go on.
    func noteBacklog(of channel: ShardChannel, before: Int) {
        guard before >= ShardChannel.pausingBytes, channel.backlogBytes < ShardChannel.pausingBytes else { return }
        backlogged -= 1
        resumePublishers(of: channel)
    }

    private func endPass(of channel: ShardChannel) {
        channel.pass?.deinitialize()
        channel.pass = nil
        for variant in Variant.allCases { channel.rosters[Int(variant.rawValue)].endPass() }
    }

    // MARK: The walk

    /// Hands a block to the subscribers in a slice. The only loop whose cost is paid per delivery.
    private func deliver(
        _ encoded: Pass.Encoded, of channel: ShardChannel, to slice: Range<Int>,
        of entries: UnsafeMutablePointer<Roster.Entry>
    ) {
        let pass = channel.pass!
        let firstSequence = pass.firstSequence
        let block = encoded.block
        let bytes = block.count
        // Some changes are nothing in some dialects.
        guard bytes > 0 else { return }
        let publications = encoded.ends.count
        let mark = pass.mark(publications)
        var delivered = 0
        for place in slice {
            let entry = entries[place]
            // Publications that arrived before it joined are not for it.
            let skipped = Int(Int32(bitPattern: entry.since &- firstSequence))
            if skipped <= 0 {
                append(block, from: 0, to: bytes, as: mark, for: entry.slot)
                delivered += publications
            } else if skipped < publications, encoded.ends[skipped - 1] < bytes {
                append(
                    block, from: encoded.ends[skipped - 1], to: bytes, as: pass.mark(publications - skipped),
                    for: entry.slot)
                delivered += publications - skipped
            }
        }
        counters.deliveries &+= UInt64(delivered)
    }

    /// The same walk when some publication of the batch has sessions that do not get it: those few get the block in
    /// pieces, everybody else as ever.
    private func deliverWithExceptions(
        _ encoded: Pass.Encoded, of channel: ShardChannel, to slice: Range<Int>,
        of entries: UnsafeMutablePointer<Roster.Entry>
    ) {
        let pass = channel.pass!
        for exception in pass.exceptions {
            table.find(exception.locator.slot, generation: exception.locator.generation)?
                .pointee.flags.insert(.excepted)
        }
        for place in slice {
            let entry = entries[place]
            let skipped = max(0, Int(Int32(bitPattern: entry.since &- pass.firstSequence)))
            guard skipped < encoded.ends.count else { continue }
            var start = skipped == 0 ? 0 : encoded.ends[skipped - 1]
            var next = skipped
            if session(entry.slot).pointee.flags.contains(.excepted) {
                for exception in pass.exceptions
                where exception.locator.slot == entry.slot && exception.publication >= next {
                    let hole = exception.publication == 0 ? 0 : encoded.ends[exception.publication - 1]
                    if hole > start {
                        append(
                            encoded.block, from: start, to: hole, as: pass.mark(exception.publication - next),
                            for: entry.slot)
                    }
                    start = encoded.ends[exception.publication]
                    next = exception.publication + 1
                }
            }
            if start < encoded.block.count {
                append(
                    encoded.block, from: start, to: encoded.block.count, as: pass.mark(encoded.ends.count - next),
                    for: entry.slot)
            }
            counters.deliveries &+= UInt64(encoded.ends.count - skipped)
        }
        for exception in pass.exceptions {
            table.find(exception.locator.slot, generation: exception.locator.generation)?
                .pointee.flags.remove(.excepted)
        }
    }

    // MARK: Out

    /// Puts bytes behind what waits for a session, within its budget, and marks it for the flush.
    @inline(__always)
    func append(
        _ block: Block, from start: Int, to end: Int, as mark: Outbound.Mark = .kept, for slot: UInt32
    ) {
        if repliesFor == slot { sendGathered() }
        let session = session(slot)
        let waiting = session.pointee.outbound.bytes
        // Whoever has nothing waiting may get a piece of any size; the budget is for those who do not keep up.
        if waiting > 0 {
            if mark.kind != .kept { return appendLossy(block, from: start, to: end, as: mark, for: slot) }
            // What may be dropped has a budget of its own.
            if waiting + (end - start) - session.pointee.outbound.lossyBytes > settings.outboundBytes {
                return markSlow(slot)
            }
            if outboundBytes + (end - start) > settings.reactorOutboundBytes {
                counters.nodeOutboundLimitHits += 1
                return markSlow(slot)
            }
        }
        session.pointee.outbound.append(block, from: start, to: end, as: mark)
        outboundBytes &+= end - start
        markDirty(slot, session)
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

    /// Sends what `writer` holds to one session.
    ///
    /// Replies to one session mostly come in a row (a client pipelines, the backplane answers in order), so they are
    /// gathered until somebody else gets one, and become one block together.
    func sendWritten(_ slot: UInt32) {
        guard writer.count > 0 else { return }
        if repliesFor != slot || gatheredReplies.count > Self.gatheredReplyBytes { sendGathered() }
        repliesFor = slot
        gatheredReplies.append(writer.bytes)
    }

    private static var gatheredReplyBytes: Int { 16 * 1024 }

    /// Puts the gathered replies where they belong. Before anything else is appended for their session, and before each
    /// flush.
    func sendGathered() {
        guard repliesFor != .max else { return }
        let slot = repliesFor
        repliesFor = .max
        guard gatheredReplies.count > 0 else { return }
        let block = Block(copying: gatheredReplies.bytes)
        gatheredReplies.removeAll(keeping: 2 * Self.gatheredReplyBytes)
        append(block, from: 0, to: block.count, for: slot)
        block.release()
    }

    /// One `send` for every session that got something, however much it got and from however many channels.
    func flushDirty() {
        sendGathered()
        if !lagging.isEmpty { endLagging() }
        var index = 0
        while index < dirty.count {
            let slot = dirty[index]
            index += 1
            let session = session(slot)
            guard session.pointee.flags.contains(.dirty) else { continue }
            session.pointee.flags.remove(.dirty)
            flush(slot, session)
        }
        dirty.removeAll(keepingCapacity: true)
        while let slot = slow.popLast() {
            guard session(slot).pointee.flags.contains(.slow) else { continue }
            closeSlow(slot)
        }
    }

    @inline(__always)
    private func flush(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        let before = session.pointee.outbound.bytes
        counters.sends &+= 1
        let result = session.pointee.outbound.flush(to: session.pointee.stream)
        let sent = before - session.pointee.outbound.bytes
        outboundBytes &-= sent
        counters.bytesOut &+= UInt64(sent)
        session.pointee.bytesOut &+= UInt64(sent)
        switch result {
        case .done:
            if session.pointee.phase == .closing { finishClosing(slot) }
        case .blocked:
            if session.pointee.outbound.needsTrim { trim(slot, session) }
            // TLS may have to hear something first; then the next read goes on with it.
            guard !session.pointee.stream.sendWaitsForRead else { return }
            session.pointee.flags.insert(.blocked)
            updateInterest(slot)
        case .failed:
            counters.writeErrors += 1
            drop(slot)
        }
    }

    /// The socket takes bytes again.
    func resumeWriting(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        session.pointee.flags.remove(.blocked)
        flush(slot, session)
        guard session.pointee.phase != .free, !session.pointee.flags.contains(.blocked) else { return }
        updateInterest(slot)
    }

    /// Tells the reactor what the session waits for.
    func updateInterest(_ slot: UInt32) {
        let session = session(slot)
        var readiness: Readiness = []
        if session.pointee.flags.isDisjoint(with: SessionSlot.Flags.unread) { readiness.insert(.readable) }
        if session.pointee.flags.contains(.blocked) { readiness.insert(.writable) }
        reactor.change(
            session.pointee.stream.descriptor, to: readiness, handler: handler, slot: slot,
            generation: session.pointee.generation)
    }

    // MARK: Publishers that are too fast

    /// Stops reading from a publisher that is ahead of the link, or of its channel's passes here, so that TCP slows it
    /// down.
    func throttle(_ slot: UInt32, _ name: ChannelName) {
        if isCongested { return pauseUntilLinked(slot) }
        guard backlogged > 0, let channel = channels[name], channel.backlogBytes >= ShardChannel.pausingBytes,
            !session(slot).pointee.flags.contains(.paused),
            session(slot).pointee.phase == .open
        else { return }
        counters.publishersPaused += 1
        session(slot).pointee.flags.insert(.paused)
        channel.paused.append(locator(of: slot))
        updateInterest(slot)
    }

    /// Stops reading from a publisher of a dialect without replies while the node is isolated: what it sends waits in
    /// its own socket instead of being refused unheard.
    func pauseUntilLinked(_ slot: UInt32) {
        guard !session(slot).pointee.flags.contains(.paused), session(slot).pointee.phase == .open else { return }
        counters.publishersPaused += 1
        session(slot).pointee.flags.insert(.paused)
        waitingForLink.append(locator(of: slot))
        updateInterest(slot)
    }

    func resumePublishers(of channel: ShardChannel) {
        resume(channel.paused)
        channel.paused = []
    }

    func resume(_ paused: [Locator]) {
        for locator in paused {
            guard let session = table.find(locator.slot, generation: locator.generation) else { continue }
            session.pointee.flags.remove(.paused)
            updateInterest(locator.slot)
        }
    }
}
