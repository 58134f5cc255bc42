import Codec
import Logging
import Reactor

/// The flush of a slice through io_uring: what `flush` does to one session after the other, with one system call for all.
///
/// Nothing happens to any session between the offer and the outcome of its send, because the kernel does all of it before
/// `submit` returns. What then follows for one session may be the end of another one of the same batch, so it is done when
/// the books of all are right.
extension SessionIO {
    /// Below this many sends, one system call for all of them is no cheaper than one for each.
    static var worthBatching: Int { 4 }

    /// Before the first connection.
    func chooseSendPath() {
        guard context.settings.ioUring == .auto else { return }
        do throws(SendRing.Unavailable) {
            try reactor.openSendRing(capacity: FanOut.sliceSessions)
            context.sendPath = .batches
        } catch {
            context.sendPath = .unavailable(error.reason)
        }
    }

    /// Sends what waits for the next sessions in `dirty`.
    ///
    /// - Returns: Where in `dirty` to go on.
    func flushBatch(from start: Int, with ring: SendRing) -> Int {
        var end = start
        var areSomeLeft = false
        while end < dirty.count, !ring.isFull {
            let slot = dirty[end]
            end += 1
            let session = session(slot)
            guard session.pointee.flags.contains(.dirty) else { continue }
            guard let bytes = offer(session) else {
                areSomeLeft = true
                continue
            }
            session.pointee.flags.remove(.dirty)
            ring.add(session.pointee.stream.descriptor, bytes)
            batch.append(slot)
        }
        submit(ring)
        guard areSomeLeft else { return end }
        // What is no part of a batch keeps its mark until here.
        for index in start..<end { flushIfDirty(dirty[index]) }
        return end
    }

    /// What one send has to send: one piece, as it is, to a socket.
    @inline(__always)
    private func offer(_ session: UnsafeMutablePointer<SessionSlot>) -> UnsafeRawBufferPointer? {
        guard !session.pointee.stream.isEncrypted, session.pointee.linkage.hasConnection else { return nil }
        return session.pointee.outbound.only
    }

    private func submit(_ ring: SendRing) {
        guard !batch.isEmpty else { return }
        context.counters.sends &+= UInt64(batch.count)
        context.counters.batchedSends &+= UInt64(batch.count)
        context.counters.sendBatches &+= 1
        context.counters.sendsLeftOut &+= UInt64(ring.submit())
        for (number, slot) in batch.enumerated() {
            let session = session(slot)
            let before = session.pointee.outbound.bytes
            let result = session.pointee.outbound.settle(ring.outcome(number))
            note(before - session.pointee.outbound.bytes, session)
            if result != .done || session.pointee.phase == .closing {
                unsettled.append((locator(of: slot), result))
            }
        }
        batch.removeAll(keepingCapacity: true)
        if let failure = ring.failure { giveUp(ring, failure) }
        guard !unsettled.isEmpty else { return }
        settle()
    }

    private func settle() {
        let settling = unsettled
        unsettled = []
        for (locator, result) in settling {
            guard let session = context.table.find(locator.slot, generation: locator.generation) else { continue }
            // What was put behind it meanwhile is flushed in its turn.
            if result == .done, !session.pointee.outbound.isEmpty { continue }
            flushed(locator.slot, session, result)
        }
    }

    /// The kernel does not do it any more: from now on it is one system call for each send.
    private func giveUp(_ ring: SendRing, _ failure: SendRing.Unavailable) {
        context.sendPath = .unavailable(failure.reason)
        reactor.closeSendRing()
        context.log?.warning(
            "reactor \(context.index) sends to its clients one by one from now on: \(failure.reason)")
    }
}
