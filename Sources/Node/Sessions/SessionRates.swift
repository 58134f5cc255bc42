import Codec
import Reactor

/// How fast one session may do what costs the node something. Each limit has a counter.
extension Commands {
    /// Commands refused for their rate, one after the other, until the client is sent away.
    private static var refusalsBeforeTheEnd: Int { 1000 }

    /// A publication of a dialect without replies is never refused for its rate: the session is read from more slowly,
    /// so that what it sends waits on its own side.
    func charge(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, cost: UInt64) {
        let wait = session.pointee.publishes.charge(
            context.settings.publishRate, cost: cost, now: reactor.now.nanoseconds)
        guard wait > 0, !session.pointee.flags.contains(.indebted) else { return }
        context.counters.publishRateHits += 1
        session.pointee.flags.insert(.indebted)
        io.updateInterest(slot)
        // What came in the same read is charged too, before the alarm is set.
        indebted.append(locator(of: slot))
    }

    /// Takes a `connect` or `refresh` from its bucket.
    ///
    /// - Returns: Whether it may be carried out; else it was refused.
    func mayLogIn(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ reply: ReplyID) -> Bool {
        let now = reactor.now.nanoseconds
        if session.pointee.makeCommands().pointee.logins.take(context.settings.loginRate, now: now) { return true }
        context.counters.loginRateHits += 1
        refuseForRate(slot, session, reply, "limits.login_rate")
        return false
    }

    /// Takes a command about a channel from its bucket.
    ///
    /// - Returns: Whether it may be carried out; else it was refused.
    func mayAskOfChannel(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ reply: ReplyID, cost: UInt64
    ) -> Bool {
        let now = reactor.now.nanoseconds
        if session.pointee.makeCommands().pointee.subscribes.take(context.settings.subscribeRate, cost: cost, now: now)
        {
            return true
        }
        context.counters.subscribeRateHits += 1
        refuseForRate(slot, session, reply, "limits.subscribe_rate")
        return false
    }

    /// Commands that cost little have no refusal of their own: a session that sends too many is read from more slowly.
    func chargeCommand(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        let wait = session.pointee.makeCommands().pointee.commands.charge(
            context.settings.commandRate, now: reactor.now.nanoseconds)
        guard wait > 0, !session.pointee.flags.contains(.indebted) else { return }
        context.counters.commandRateHits += 1
        session.pointee.flags.insert(.indebted)
        io.updateInterest(slot)
        indebted.append(locator(of: slot))
    }

    /// Sets the alarms of those who published or commanded too fast in this turn.
    func armDebts() {
        guard !indebted.isEmpty else { return }
        for locator in indebted {
            guard let session = context.table.find(locator.slot, generation: locator.generation) else { continue }
            let wait = max(
                session.pointee.publishes.debt(context.settings.publishRate, now: reactor.now.nanoseconds),
                session.pointee.commands?.pointee.commands.debt(
                    context.settings.commandRate, now: reactor.now.nanoseconds)
                    ?? 0)
            arm(.debt, locator.slot, after: .nanoseconds(Int64(clamping: wait)))
        }
        indebted.removeAll(keepingCapacity: true)
    }

    /// A command of a dialect with replies is refused, and a client that does not listen to that is sent away.
    func refuseForRate(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ reply: ReplyID, _ limit: String
    ) {
        let commands = session.pointee.makeCommands()
        commands.pointee.refusedInARow &+= 1
        guard commands.pointee.refusedInARow <= Self.refusalsBeforeTheEnd else {
            return life.end(slot, .tooManyRequests)
        }
        io.fail(slot, reply, .tooManyRequests, limit: limit)
    }

    /// Pings and pongs cost us a frame each, whatever they are for (RFC 6455 5.5.2 asks for an answer to every ping).
    func isControlFrameInTime(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) -> Bool {
        if session.pointee.controlFrames.take(context.settings.controlRate, now: reactor.now.nanoseconds) {
            return true
        }
        context.counters.controlRateHits += 1
        life.end(slot, .tooManyControlFrames)
        return false
    }
}

/// How many commands one counts for in its bucket, by what it costs the node, Redis and the line.
enum CommandCost {
    /// A history script costs Redis as much as eight plain publications.
    static var publishKept: UInt64 { 8 }
    /// A publication, by what its channel's rule keeps.
    static func publish(keptBy history: HistorySettings?) -> UInt64 { history == nil ? 1 : publishKept }
    /// A signature is checked, or what was missed is looked up.
    static var subscribeWithMore: UInt64 { 2 }
    /// Up to 300 publications or 1000 members are read and sent.
    static var page: UInt64 { 8 }
}
