import Codec
import Reactor

/// Subscribers that do not keep up with channels that may lose publications: what they lose, and how they are told.
///
/// A channel with `slow: drop_oldest` loses the oldest that wait, one with `slow: latest` all but the newest. Only
/// sessions for which something waits come here. What other channels and replies have waiting is not touched.
extension Shard {
    /// Puts publications behind what waits already, and drops what has to make way.
    @inline(never)
    func appendLossy(_ block: Block, from start: Int, to end: Int, as mark: Outbound.Mark, for slot: UInt32) {
        guard let channel = channelsByIndex[Int(mark.channel)] else { return }
        let session = session(slot)
        if mark.kind == .latest {
            appendLatest(block, from: start, to: end, as: mark, of: channel, slot, session)
        } else {
            appendNewest(block, from: start, to: end, as: mark, of: channel, slot, session)
        }
    }

    /// Whether so much more may wait, `freed` less before it. What may be dropped is counted by itself, against the same
    /// number as everything else. Whoever has none of it may get a piece of any size.
    private func hasRoom(
        for bytes: Int, freed: Int = 0, budget: Int, _ session: UnsafeMutablePointer<SessionSlot>
    ) -> Bool {
        guard outboundBytes - freed + bytes <= settings.reactorOutboundBytes else { return false }
        let waiting =
            session.pointee.outbound.droppableBytes(committed: session.pointee.stream.committedBytes) - freed
        return waiting == 0 || waiting + bytes <= budget
    }

    private func put(
        _ block: Block, from start: Int, to end: Int, as mark: Outbound.Mark, _ slot: UInt32,
        _ session: UnsafeMutablePointer<SessionSlot>
    ) {
        session.pointee.outbound.append(block, from: start, to: end, as: mark)
        outboundBytes &+= end - start
        markDirty(slot, session)
    }

    private func note(_ dropped: Outbound.Dropped, of channel: ShardChannel, _ slot: UInt32) {
        outboundBytes -= dropped.bytes
        counters.slowBytesDropped &+= UInt64(dropped.bytes)
        noteLost(dropped.publications, of: channel, slot)
    }

    private func noteLost(_ publications: Int, of channel: ShardChannel, _ slot: UInt32) {
        if channel.kind == .latest {
            counters.slowReplaced &+= UInt64(publications)
        } else {
            counters.slowDroppedOldest &+= UInt64(publications)
        }
        channel.dropped &+= UInt64(publications)
        session(slot).pointee.dropped &+= UInt32(truncatingIfNeeded: publications)
    }

    // MARK: latest

    private func appendLatest(
        _ block: Block, from start: Int, to end: Int, as mark: Outbound.Mark, of channel: ShardChannel, _ slot: UInt32,
        _ session: UnsafeMutablePointer<SessionSlot>
    ) {
        // What waits may only wait for the end of the slice: then this is not late. If it turns out that it is, it is
        // trimmed then.
        let isBehind = !session.pointee.flags.contains(.dirty)
        if !isBehind, hasRoom(for: end - start, budget: settings.outboundBytes, session) {
            return put(block, from: start, to: end, as: mark, slot, session)
        }
        if session.pointee.outbound.needsTrim { trim(slot, session) }
        let newest = block.newest(in: start..<end)
        noteLost(newest.publications - 1, of: channel, slot)
        let committed = session.pointee.stream.committedBytes
        let old = session.pointee.outbound.replaceableBytes(of: channel.index, committed: committed)
        guard hasRoom(for: end - newest.start, freed: old, budget: 2 * settings.outboundBytes, session) else {
            if outboundBytes + end - newest.start > settings.reactorOutboundBytes {
                counters.nodeOutboundLimitHits += 1
            }
            return noteLost(1, of: channel, slot)
        }
        let replaced = session.pointee.outbound.replace(
            with: block, from: newest.start, to: end,
            as: Outbound.Mark(kind: .latest, publications: 1, channel: channel.index),
            committed: committed)
        outboundBytes += end - newest.start
        note(replaced, of: channel, slot)
        markDirty(slot, session)
    }

    /// The session has begun to fall behind.
    func trim(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        session.pointee.outbound.trim(committed: session.pointee.stream.committedBytes) { index, dropped in
            outboundBytes -= dropped.bytes
            counters.slowBytesDropped &+= UInt64(dropped.bytes)
            counters.slowReplaced &+= UInt64(dropped.publications)
            session.pointee.dropped &+= UInt32(truncatingIfNeeded: dropped.publications)
            channelsByIndex[Int(index)]?.dropped &+= UInt64(dropped.publications)
        }
    }

    // MARK: drop_oldest

    private func appendNewest(
        _ block: Block, from start: Int, to end: Int, as mark: Outbound.Mark, of channel: ShardChannel, _ slot: UInt32,
        _ session: UnsafeMutablePointer<SessionSlot>
    ) {
        let bytes = end - start
        let budget = settings.outboundBytes
        if !lagging.isEmpty, lagging.contains(where: { $0.channel == channel.index && $0.locator.slot == slot }) {
            return noteLost(Int(mark.publications), of: channel, slot)
        }
        if hasRoom(for: bytes, budget: budget, session) {
            return put(block, from: start, to: end, as: mark, slot, session)
        }
        if outboundBytes + bytes > settings.reactorOutboundBytes { counters.nodeOutboundLimitHits += 1 }
        if isRecoverable(channel, session) {
            // It gets what follows from the history when it has read so far that it can take it.
            lagging.append((locator(of: slot), channel.index))
            return noteLost(Int(mark.publications), of: channel, slot)
        }
        let committed = session.pointee.stream.committedBytes
        let notice = session.pointee.dialect == .sse ? notice(of: channel) : nil
        let dropped = session.pointee.outbound.dropOldest(
            of: channel.index,
            bytes: max(
                session.pointee.outbound.droppableBytes(committed: committed) + bytes - budget,
                outboundBytes + bytes - settings.reactorOutboundBytes),
            slack: budget / 8, committed: committed, notice: notice)
        note(dropped, of: channel, slot)
        if dropped.isAnnounced, let notice { announced(notice) }
        // Where other channels use all of the budget, a channel that has nothing left in it may still get one through.
        if hasRoom(for: bytes, budget: dropped.isExhausted ? 2 * budget : budget, session) {
            return put(block, from: start, to: end, as: mark, slot, session)
        }
        noteLost(Int(mark.publications), of: channel, slot)
        if let notice, !session.pointee.outbound.endsWithNotice(of: channel.index) {
            put(
                notice, from: 0, to: notice.count, as: .init(kind: .notice, publications: 0, channel: channel.index),
                slot, session)
            counters.slowAnnouncements += 1
        }
    }

    private func announced(_ notice: Block) {
        outboundBytes += notice.count
        counters.slowAnnouncements += 1
    }

    private func notice(of channel: ShardChannel) -> Block {
        if let notice = channel.notice { return notice }
        writer.removeAll()
        SSEEncoder.writeLost(channel.name, to: writer)
        let notice = Block(copying: writer.bytes)
        channel.notice = notice
        return notice
    }

    // MARK: Clients that can read again what they lost

    /// Whether a client knows where it is in the channel and can go on from there.
    private func isRecoverable(_ channel: ShardChannel, _ session: UnsafeMutablePointer<SessionSlot>) -> Bool {
        channel.rule.history != nil && session.pointee.dialect == .centrifuge
    }

    /// Ends the subscriptions for which there was no room, behind what waits for them: the client subscribes again when
    /// it has read that far, and asks for what follows the last publication it got.
    func endLagging() {
        while !lagging.isEmpty {
            let batch = lagging
            lagging = []
            for (locator, index) in batch {
                guard let session = table.find(locator.slot, generation: locator.generation),
                    session.pointee.phase == .open, let channel = channelsByIndex[Int(index)],
                    session.pointee.subscriptions.index(of: index) != nil
                else { continue }
                counters.slowAnnouncements += 1
                tellIncomplete(locator.slot, channel.name)
            }
            sendGathered()
        }
    }

    // MARK: The node itself is behind

    /// Publications come faster than the passes send them: a channel that may lose some loses its oldest, for all of its
    /// subscribers here.
    func shorten(_ channel: ShardChannel) {
        counters.backlogOverruns += 1
        let before = channel.backlogBytes
        let kept = channel.kind == .latest ? 0 : ShardChannel.maximumBacklogBytes / 2
        var lost = 0
        var looked = 0
        var changes: [Publication] = []
        while looked < channel.backlog.count, channel.backlogBytes > kept {
            channel.backlogBytes -= channel.backlog[looked].payload.count
            if channel.backlog[looked].extras?.change == nil {
                lost += 1
            } else {
                changes.append(channel.backlog[looked])
            }
            looked += 1
        }
        // From the front, so that the numbers of those that stay are right; changes of presence are for more than those
        // who had joined before them, which does no harm.
        channel.backlog.replaceSubrange(..<looked, with: changes)
        counters.publicationsOverrun += UInt64(lost)
        noteBacklog(of: channel, before: before)
        var subscribers: [UInt32] = []
        for variant in Variant.allCases {
            let roster = channel.rosters[Int(variant.rawValue)]
            for place in 0..<roster.count { subscribers.append(roster.entries[place].slot) }
        }
        for slot in subscribers {
            let session = session(slot)
            noteLost(lost, of: channel, slot)
            guard channel.kind == .dropOldest else { continue }
            if isRecoverable(channel, session) {
                counters.slowAnnouncements += 1
                tellIncomplete(slot, channel.name)
            } else if session.pointee.dialect == .sse {
                counters.slowAnnouncements += 1
                writer.removeAll()
                SSEEncoder.writeLost(channel.name, to: writer)
                sendWritten(slot)
            }
        }
    }
}
