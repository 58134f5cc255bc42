import Codec
import Reactor

/// Subscribers that do not keep up with channels that may lose publications: what they lose, and how they are told.
///
/// A channel with `slow: drop_oldest` loses the oldest that wait, one with `slow: latest` all but the newest. Only
/// sessions for which something waits come here. What other channels and replies have waiting is not touched.
extension FanOut {
    /// What the kernel may hold for a subscriber of such a channel without having sent it, in bytes. By default it takes up to 4 MiB,
    /// and what is in there can neither be dropped nor replaced: it only gets old.
    static var unsentLimit: Int32 { 64 * 1024 }

    func boundKernel(_ session: UnsafeMutablePointer<SessionSlot>) {
        Socket.setUnsentLimit(session.pointee.stream.descriptor, bytes: Self.unsentLimit)
    }

    /// Puts publications behind what waits already, and drops what has to make way.
    @inline(never)
    func appendLossy(_ block: Block, from start: Int, to end: Int, as mark: Outbound.Mark, for slot: UInt32) {
        guard let channel = channels.byIndex[Int(mark.channel)] else { return }
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
        guard io.outboundBytes - freed + bytes <= context.settings.reactorOutboundBytes else { return false }
        let waiting =
            session.pointee.outbound.droppableBytes(committed: session.pointee.stream.committedBytes) - freed
        return waiting == 0 || waiting + bytes <= budget
    }

    private func put(
        _ block: Block, from start: Int, to end: Int, as mark: Outbound.Mark, _ slot: UInt32,
        _ session: UnsafeMutablePointer<SessionSlot>
    ) {
        session.pointee.outbound.append(block, from: start, to: end, as: mark)
        io.outboundBytes &+= end - start
        io.markDirty(slot, session)
    }

    private func note(_ dropped: Outbound.Dropped, of channel: ShardChannel, _ slot: UInt32) {
        io.outboundBytes -= dropped.bytes
        context.counters.slowBytesDropped &+= UInt64(dropped.bytes)
        noteLost(dropped.publications, of: channel, slot)
    }

    private func noteLost(_ publications: Int, of channel: ShardChannel, _ slot: UInt32) {
        if channel.kind == .latest {
            context.counters.slowReplaced &+= UInt64(publications)
        } else {
            context.counters.slowDroppedOldest &+= UInt64(publications)
        }
        channel.dropped &+= UInt64(publications)
        session(slot).pointee.dropped &+= UInt32(truncatingIfNeeded: publications)
    }

    private func appendLatest(
        _ block: Block, from start: Int, to end: Int, as mark: Outbound.Mark, of channel: ShardChannel, _ slot: UInt32,
        _ session: UnsafeMutablePointer<SessionSlot>
    ) {
        // What waits may only wait for the end of the slice: then this is not late. If it turns out that it is, it is
        // trimmed then.
        let isBehind = !session.pointee.flags.contains(.dirty)
        if !isBehind, hasRoom(for: end - start, budget: context.settings.outboundBytes, session) {
            return put(block, from: start, to: end, as: mark, slot, session)
        }
        if session.pointee.outbound.needsTrim { trim(slot, session) }
        let newest = block.newest(in: start..<end)
        noteLost(newest.publications - 1, of: channel, slot)
        let committed = session.pointee.stream.committedBytes
        let old = session.pointee.outbound.replaceableBytes(of: channel.index, committed: committed)
        guard hasRoom(for: end - newest.start, freed: old, budget: 2 * context.settings.outboundBytes, session) else {
            if io.outboundBytes + end - newest.start > context.settings.reactorOutboundBytes {
                context.counters.nodeOutboundLimitHits += 1
            }
            breakChain(of: channel, slot)
            return noteLost(1, of: channel, slot)
        }
        let replaced = session.pointee.outbound.replace(
            with: block, from: newest.start, to: end,
            as: Outbound.Mark(kind: .latest, publications: 1, channel: channel.index),
            committed: committed)
        io.outboundBytes += end - newest.start
        note(replaced, of: channel, slot)
        io.markDirty(slot, session)
    }

    /// The session has begun to fall behind.
    func trim(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        session.pointee.outbound.trim(committed: session.pointee.stream.committedBytes) { index, dropped in
            io.outboundBytes -= dropped.bytes
            context.counters.slowBytesDropped &+= UInt64(dropped.bytes)
            context.counters.slowReplaced &+= UInt64(dropped.publications)
            session.pointee.dropped &+= UInt32(truncatingIfNeeded: dropped.publications)
            channels.byIndex[Int(index)]?.dropped &+= UInt64(dropped.publications)
        }
    }

    private func appendNewest(
        _ block: Block, from start: Int, to end: Int, as mark: Outbound.Mark, of channel: ShardChannel, _ slot: UInt32,
        _ session: UnsafeMutablePointer<SessionSlot>
    ) {
        let bytes = end - start
        let budget = context.settings.outboundBytes
        if !lagging.isEmpty, lagging.contains(where: { $0.channel == channel.index && $0.locator.slot == slot }) {
            return noteLost(Int(mark.publications), of: channel, slot)
        }
        if hasRoom(for: bytes, budget: budget, session) {
            return put(block, from: start, to: end, as: mark, slot, session)
        }
        if io.outboundBytes + bytes > context.settings.reactorOutboundBytes {
            context.counters.nodeOutboundLimitHits += 1
        }
        if isRecoverable(channel, session) {
            // It gets what follows from the history when it has read so far that it can take it.
            lagging.append((locator(of: slot), channel.index))
            return noteLost(Int(mark.publications), of: channel, slot)
        }
        let committed = session.pointee.stream.committedBytes
        let notice = notice(of: channel, session.pointee.variant)
        let dropped = session.pointee.outbound.dropOldest(
            of: channel.index,
            bytes: max(
                session.pointee.outbound.droppableBytes(committed: committed) + bytes - budget,
                io.outboundBytes + bytes - context.settings.reactorOutboundBytes),
            slack: budget / 8, committed: committed, notice: notice)
        note(dropped, of: channel, slot)
        if dropped.isAnnounced, let notice { announced(notice) }
        // Where other channels use all of the budget, a channel that has nothing left in it may still get one through.
        if hasRoom(for: bytes, budget: dropped.isExhausted ? 2 * budget : budget, session) {
            return put(block, from: start, to: end, as: mark, slot, session)
        }
        noteLost(Int(mark.publications), of: channel, slot)
        breakChain(of: channel, slot)
        if let notice, !session.pointee.outbound.endsWithNotice(of: channel.index) {
            put(
                notice, from: 0, to: notice.count, as: .init(kind: .notice, publications: 0, channel: channel.index),
                slot, session)
            context.counters.slowAnnouncements += 1
        }
    }

    private func announced(_ notice: Block) {
        io.outboundBytes += notice.count
        context.counters.slowAnnouncements += 1
    }

    /// What says that publications were dropped; nil where a client is not told among the publications.
    private func notice(of channel: ShardChannel, _ variant: Variant) -> Block? {
        guard variant.traits.loss == .isAnnounced, let entry = channel.rosters.find(variant) else { return nil }
        if let notice = entry.pointee.notice { return notice }
        writer.removeAll()
        variant.write(.lost(channel.name, at: nil), to: writer)
        let notice = Block(copying: writer.bytes)
        entry.pointee.notice = notice
        return notice
    }

    /// Whether a client knows where it is in the channel and can go on from there.
    private func isRecoverable(_ channel: ShardChannel, _ session: UnsafeMutablePointer<SessionSlot>) -> Bool {
        channel.rule.history != nil && session.pointee.traits.recovery == .replies
    }

    /// Ends the subscriptions for which there was no room, behind what waits for them: the client subscribes again when
    /// it has read that far, and asks for what follows the last publication it got.
    func endLagging() {
        while !lagging.isEmpty {
            let batch = lagging
            lagging = []
            for (locator, index) in batch {
                guard let session = context.table.find(locator.slot, generation: locator.generation),
                    session.pointee.phase == .open, let channel = channels.byIndex[Int(index)],
                    session.pointee.subscriptions.index(of: index) != nil
                else { continue }
                context.counters.slowAnnouncements += 1
                channels.tellLost(locator.slot, channel.name)
            }
            io.sendGathered()
        }
    }

    /// Publications come faster than the passes send them: a channel that may lose some loses its oldest, for all of its
    /// subscribers here.
    func shorten(_ channel: ShardChannel) {
        context.counters.backlogOverruns += 1
        let before = channel.backlogBytes
        let kept = channel.kind == .latest ? 0 : ShardChannel.maximumBacklogBytes / 2
        var lost = 0
        var looked = 0
        var changes: [Publication] = []
        while looked < channel.backlog.count, channel.backlogBytes > kept {
            channel.backlogBytes -= channel.backlog[looked].weight
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
        context.counters.publicationsOverrun += UInt64(lost)
        noteBacklog(of: channel, before: before)
        var subscribers: [UInt32] = []
        channel.rosters.forEach { subscribers.append($0.slot) }
        for slot in subscribers {
            let session = session(slot)
            noteLost(lost, of: channel, slot)
            guard channel.kind == .dropOldest else { continue }
            guard isRecoverable(channel, session) || session.pointee.traits.loss == .isAnnounced else {
                continue
            }
            context.counters.slowAnnouncements += 1
            channels.tellLost(slot, channel.name)
        }
    }
}
