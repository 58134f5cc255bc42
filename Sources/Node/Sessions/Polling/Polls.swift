import Codec
import Reactor

/// Sessions without a connection of their own: their clients ask for what waits, in requests that any node may get.
///
/// Such a session keeps what it is sent in its queue, within the same budget as every other one. A request waits until there is
/// something, and takes as much as fits into an answer; `PolledSession` says when.
final class Polls: ShardPart, @unchecked Sendable {
    // Whom it calls; the shard makes all of them and owns them.
    unowned(unsafe) private(set) var io: SessionIO!
    unowned(unsafe) private(set) var life: SessionLife!
    unowned(unsafe) private(set) var fanOut: FanOut!
    unowned(unsafe) private(set) var admittance: Admittance!

    func attach(io: SessionIO, life: SessionLife, fanOut: FanOut, admittance: Admittance) {
        self.io = io
        self.life = life
        self.fanOut = fanOut
        self.admittance = admittance
    }

    private var limits: PollLimits { context.settings.polling }

    /// A session that has ended is not kept for long.
    private func bounds(_ slot: UInt32) -> PollLimits {
        var bounds = context.settings.polling
        if session(slot).pointee.phase == .closing { bounds.gap = min(bounds.gap, SessionLife.lingering) }
        return bounds
    }

    // MARK: The beginning

    /// The session that a request begins outlives its connection: that goes to a slot of its own, where the request is answered.
    ///
    /// - Returns: Whether there was room.
    func separate(_ slot: UInt32) -> Bool {
        let session = session(slot)
        guard context.admission.entered() else {
            context.counters.refusedSessions += 1
            return false
        }
        guard let other = context.table.take() else {
            context.counters.refusedSessions += 1
            context.admission.left()
            return false
        }
        let connection = self.session(other)
        connection.pointee.stream = session.pointee.stream
        connection.pointee.peer = session.pointee.peer
        connection.pointee.variant = session.pointee.variant
        connection.pointee.flags = session.pointee.flags.intersection(.secure)
        connection.pointee.secret = .random(using: &random)
        makeExtras(other).asked = extras(slot)?.asked
        extras(slot)?.poll = nil
        reactor.deregister(session.pointee.stream.descriptor)
        session.pointee.stream = Stream(descriptor: -1)
        session.pointee.linkage = .polled
        session.pointee.flags.subtract([.blocked, .dirty])
        makeExtras(slot).polled = PolledSession(now: reactor.now)
        rearm(slot)
        do {
            try reactor.register(
                connection.pointee.stream.descriptor, for: .readable, handler: context.handler, slot: other,
                generation: connection.pointee.generation)
        } catch {
            life.drop(other)
            return true
        }
        // The client is told when other requests find the session.
        admittance.answerPoll(other, .nothing)
        return true
    }

    // MARK: What clients ask

    /// A request for a session of this reactor.
    func received(_ request: PollRequest, _ place: Locator, from asker: CommandAsker) {
        let isWish = request.isWish
        guard let session = find(place), session.pointee.secret.isSame(as: request.id) else {
            if isWish { answer(.gone, request.id, asker) }
            return
        }
        let slot = place.slot
        guard session.pointee.linkage == .polled, extras(slot)?.polled != nil else {
            // It is being opened, or has a connection.
            if isWish { answer(session.pointee.phase == .closing ? .gone : .busy, request.id, asker) }
            return
        }
        switch request.what {
        case .poll, .claim:
            guard isOwn(request.user, slot) else { return answer(.otherUser, request.id, asker) }
            asked(request, slot, session, by: asker)
        case .end:
            guard isOwn(request.user, slot) else { return answer(.otherUser, request.id, asker) }
            if session.pointee.phase == .open { life.drop(slot, .left(.normal)) } else { life.drop(slot) }
            answer(.ended, request.id, asker)
        case .taken, .returned:
            if request.what == .returned, extras(slot)?.polled?.given == asker {
                context.counters.pollAnswersReturned += 1
            }
            change(slot) { $0.settled(asker, isTaken: request.what == .taken, now: reactor.now) }
            io.markDirty(slot, session)
        }
    }

    private func isOwn(_ user: PollRequest.User, _ slot: UInt32) -> Bool {
        let own = credentials(slot)?.user
        return switch user {
        case .unknown: true
        case .visitor: own == nil
        case .name(let name): own.map { $0.utf8.elementsEqual(name) } ?? false
        }
    }

    private func asked(
        _ request: PollRequest, _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, by asker: CommandAsker
    ) {
        var replaced: CommandAsker?
        change(slot) { replaced = $0.asked(by: asker, limits: limits, now: reactor.now) }
        if let replaced {
            context.counters.pollsReplaced += 1
            answer(.over, request.id, replaced)
        }
        session.pointee.flags.insert(.heard)
        if io.repliesFor == slot { io.sendGathered() }
        let locator = locator(of: slot)
        flush(slot, session)
        guard find(locator) != nil, extras(slot)?.polled?.waiting == asker else { return }
        answer(.held, request.id, asker)
    }

    private func answer(_ answer: PollAnswer, _ id: SessionID.Secret, _ asker: CommandAsker) {
        request(.pollAnswered(id, answer, asker))
    }

    // MARK: What clients get

    /// Gives what waits for a session to the request that waits for it, if both are there.
    func flush(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        guard let polled = extras(slot)?.polled else { return fault("a session has no connection and is not asked") }
        guard polled.canGive(isLinked: context.reach.isUp) else { return wait(slot, session) }
        guard polled.hasReturned || !session.pointee.outbound.isEmpty else {
            if session.pointee.phase == .closing { finish(slot) }
            return
        }
        var messages: [UInt8] = []
        if !polled.hasReturned {
            if context.isTracing { context.traceWillSend(slot, session) }
            messages = session.pointee.outbound.take(most: limits.bytes, of: session.pointee.variant.separation)
            if context.isTracing { context.traceSent(slot, session, messages.count) }
            session.pointee.bytesOut &+= UInt64(messages.count)
        }
        // What is given counts as waiting until the client has it.
        change(slot) { polled in
            guard let (asker, messages) = polled.give(messages, now: reactor.now) else { return }
            context.counters.polls += 1
            answer(.messages(messages), session.pointee.secret, asker)
        }
    }

    /// Nobody asks at the moment: the session is one that does not keep up.
    private func wait(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        if session.pointee.outbound.needsTrim { fanOut.trim(slot, session) }
        if io.outboundBytes > context.settings.reactorOutboundBytes { life.cutOff(slot, session) }
    }

    /// The session has ended, and its client has fetched all of it.
    private func finish(_ slot: UInt32) { life.drop(slot) }

    /// The session ends, and is kept until its last words were fetched.
    func ending(_ slot: UInt32) {
        change(slot) { $0.ends(now: reactor.now) }
        request(.pollsEnding(session(slot).pointee.secret, locator(of: slot)))
    }

    /// The session is no more: whoever waits is told.
    func forget(_ slot: UInt32) {
        let session = session(slot)
        guard session.pointee.linkage == .polled else { return }
        if var polled = extras(slot)?.polled {
            io.outboundBytes -= polled.keptBytes
            if let asker = polled.release(now: reactor.now) { answer(.over, session.pointee.secret, asker) }
            extras(slot)?.polled = nil
        }
        request(.pollsOver(session.pointee.secret, locator(of: slot)))
    }

    // MARK: Time

    private func change(_ slot: UInt32, _ body: (inout PolledSession) -> Void) {
        guard let extras = extras(slot), var polled = extras.polled else { return }
        let before = session(slot).pointee.outbound.bytes
        let kept = polled.keptBytes
        body(&polled)
        // What was taken from the queue is counted already.
        if polled.keptBytes < kept { io.outboundBytes -= kept - polled.keptBytes }
        extras.polled = polled
        if before != session(slot).pointee.outbound.bytes { fault("a request changes what waits") }
        rearm(slot)
    }

    /// One alarm is enough: it is set again when it rings too early, and another one only where it would ring too late.
    private func rearm(_ slot: UInt32) {
        guard let extras = extras(slot), let next = extras.polled?.deadline(bounds(slot)) else { return }
        if let armed = extras.pollAlarm, armed <= next { return }
        extras.pollAlarm = next
        arm(.poll, slot, after: next - reactor.now)
    }

    /// How far an alarm may be from its time.
    private static var tolerance: Duration { .milliseconds(50) }

    func check(_ slot: UInt32) {
        guard let extras = extras(slot), let polled = extras.polled, let armed = extras.pollAlarm,
            armed <= MonotonicTime.now() + Self.tolerance
        else { return }
        extras.pollAlarm = nil
        let session = session(slot)
        switch polled.due(bounds(slot), now: .now()) {
        case .timeout:
            context.counters.pollTimeouts += 1
            var asker: CommandAsker?
            change(slot) { asker = $0.release(now: reactor.now) }
            if let asker { answer(.nothing, session.pointee.secret, asker) }
        case .gap:
            if session.pointee.phase == .open { context.counters.pollGapTimeouts += 1 }
            life.drop(slot, session.pointee.phase == .open ? .silent(limits.gap) : nil)
        case .lost(let asker):
            context.counters.pollAnswersLost += 1
            // Whoever may still wait for it hears that it does not come.
            answer(.gone, session.pointee.secret, asker)
            life.drop(slot, session.pointee.phase == .open ? .notResumed : nil)
        case nil: rearm(slot)
        }
    }

    /// The link is up again: other nodes can be answered.
    func linked() {
        for slot in 0..<UInt32(clamping: context.table.used) where session(slot).pointee.linkage == .polled {
            guard extras(slot)?.polled != nil else { continue }
            change(slot) { $0.linked(now: reactor.now) }
            io.markDirty(slot, session(slot))
        }
    }
}
