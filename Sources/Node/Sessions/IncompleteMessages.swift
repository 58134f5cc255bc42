import Codec
import Reactor

/// Messages that are not complete: how long they may take, and how much of them the node holds.
extension SessionIO {
    private var uptime: UInt32 {
        UInt32(clamping: (reactor.now.nanoseconds &- context.startedAt.nanoseconds) / 1_000_000_000)
    }

    /// After a read a message is incomplete.
    func isIncomplete(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, isNew: Bool) {
        let used = session.pointee.reader.bufferedBytes
        incompleteBytes += used
        if isNew { session.pointee.incompleteSince = uptime }
        guard isIncompleteWithinLimit(slot) else { return }
        guard !session.pointee.flags.contains(.timed) else { return }
        session.pointee.flags.insert(.timed)
        arm(.message, slot)
    }

    /// Closes a session whose bytes made the node hold too much of what is incomplete or waits.
    func isIncompleteWithinLimit(_ slot: UInt32) -> Bool {
        guard incompleteBytes > context.settings.reactorIncompleteBytes else { return true }
        context.counters.incompleteLimitHits += 1
        life.end(slot, .tooMuchIncomplete)
        return false
    }

    /// The alarm of a message that was incomplete once: is it still the same one?
    func checkIncomplete(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        session.pointee.flags.remove(.timed)
        guard session.pointee.reader.isIncomplete else { return }
        let age = Duration.seconds(Int64(uptime &- session.pointee.incompleteSince))
        // Whole seconds: never early.
        guard age > context.settings.messageTimeout else {
            session.pointee.flags.insert(.timed)
            return arm(.message, slot, after: context.settings.messageTimeout - age + .seconds(1))
        }
        context.counters.messageTimeouts += 1
        life.end(slot, .messageTimedOut)
    }

    /// What is incomplete is given up.
    func forgetIncomplete(_ session: UnsafeMutablePointer<SessionSlot>) {
        incompleteBytes -= session.pointee.reader.bufferedBytes
    }
}
