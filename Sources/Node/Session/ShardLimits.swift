import Codec
import Reactor

/// What one session may do to the node: rates, and messages that never end. Each limit has a counter.
extension Shard {
    /// Commands refused for their rate, one after the other, until the client is sent away.
    private static var refusalsBeforeTheEnd: Int { 1000 }

    // MARK: Rates

    /// A publication of a dialect without replies is never refused for its rate: the session is read from more slowly,
    /// so that what it sends waits on its own side.
    func charge(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        let wait = session.pointee.publishes.charge(settings.publishRate, now: reactor.now.nanoseconds)
        guard wait > 0, !session.pointee.flags.contains(.indebted) else { return }
        counters.publishRateHits += 1
        session.pointee.flags.insert(.indebted)
        updateInterest(slot)
        // What came in the same read is charged too, before the alarm is set.
        indebted.append(locator(of: slot))
    }

    /// Sets the alarms of those who published too fast in this turn.
    func armDebts() {
        guard !indebted.isEmpty else { return }
        for locator in indebted {
            guard let session = table.find(locator.slot, generation: locator.generation) else { continue }
            let wait = session.pointee.publishes.debt(settings.publishRate, now: reactor.now.nanoseconds)
            arm(.debt, locator.slot, after: .nanoseconds(Int64(clamping: wait)))
        }
        indebted.removeAll(keepingCapacity: true)
    }

    /// A command of a dialect with replies is refused, and a client that does not listen to that is sent away.
    func refuseForRate(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ command: UInt32) {
        session.pointee.refusedInARow &+= 1
        guard session.pointee.refusedInARow <= Self.refusalsBeforeTheEnd else { return close(slot, .tooManyRequests) }
        reply(slot, command, .tooManyRequests)
    }

    /// Pings and pongs cost us a frame each, whatever they are for (RFC 6455 5.5.2 asks for an answer to every ping).
    func isControlFrameInTime(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) -> Bool {
        if session.pointee.controlFrames.take(settings.controlRate, now: reactor.now.nanoseconds) { return true }
        counters.controlRateHits += 1
        close(slot, code: .policyViolation, reason: "too many control frames (limits.control_rate)")
        return false
    }

    // MARK: Incomplete messages

    private var uptime: UInt32 {
        UInt32(clamping: (reactor.now.nanoseconds &- startedAt.nanoseconds) / 1_000_000_000)
    }

    /// After a read a message is incomplete.
    func isIncomplete(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, isNew: Bool) {
        let held = session.pointee.reader.bufferedBytes
        incompleteBytes += held
        if isNew { session.pointee.incompleteSince = uptime }
        if incompleteBytes > settings.reactorIncompleteBytes {
            counters.incompleteLimitHits += 1
            return close(
                slot, code: .tryAgainLater,
                reason: "the node holds too much of incomplete messages (limits.incomplete_bytes_node)")
        }
        guard !session.pointee.flags.contains(.timed) else { return }
        session.pointee.flags.insert(.timed)
        arm(.message, slot)
    }

    /// The alarm of a message that was incomplete once: is it still the same one?
    func checkIncomplete(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        session.pointee.flags.remove(.timed)
        guard session.pointee.reader.isIncomplete else { return }
        let age = Duration.seconds(Int64(uptime &- session.pointee.incompleteSince))
        // Whole seconds: never early.
        guard age > settings.messageTimeout else {
            session.pointee.flags.insert(.timed)
            return arm(.message, slot, after: settings.messageTimeout - age + .seconds(1))
        }
        counters.messageTimeouts += 1
        close(slot, code: .policyViolation, reason: "a message was not complete in time (limits.message_timeout)")
    }

    /// What is incomplete is given up.
    func forgetIncomplete(_ session: UnsafeMutablePointer<SessionSlot>) {
        incompleteBytes -= session.pointee.reader.bufferedBytes
    }
}
