import Backplane
import Codec
import Reactor

/// A request about a session's record, as far as its answer says something.
package enum RecordStep: Sendable {
    case keep, withdraw
}

/// The record of a session, with which another node goes on if this one dies.
///
/// It says up to which message the client has everything, and where each of its channels was then. All that the session was sent since has
/// to be in the histories of its channels. So the record is withdrawn before the session is sent anything else, and before it takes
/// anything from its client: the message waits until that is known to be done, one round trip to Redis. When the client has acknowledged
/// what no history has, there is a record again.
extension SessionLife {
    /// Whether sessions have records at all.
    var recordsSessions: Bool { context.settings.resume.isRecorded && context.exchange.backplane.keepsSessions }

    /// Something changed after which there may be a record again, or a newer one.
    func considerRecord(_ slot: UInt32) {
        guard let resumption = extras(slot)?.resumption, resumption.isRecorded, !resumption.record.isWithdrawing else {
            return
        }
        let pause = resumption.record.wait(context.settings.resume.records, now: MonotonicTime.now())
        guard pause == .zero else { return armRecord(slot, resumption, after: pause) }
        guard let body = recordBody(slot, resumption) else { return }
        let wait =
            resumption.record.isNews(body)
            ? .zero : resumption.record.wait(RecordKeeping.refreshing, now: MonotonicTime.now())
        guard wait == .zero else { return armRecord(slot, resumption, after: wait) }
        resumption.record.kept(body, now: MonotonicTime.now())
        context.counters.sessionRecords += 1
        let owner = RecordedSession.owner(session(slot).pointee.variant, credentials(slot)?.user)
        let record = SessionRecord(owner: owner, generation: resumption.generation, body: body)
        request(.record(.keep(record), session(slot).pointee.secret, .keep, locator(of: slot)))
        armRecord(slot, resumption, after: RecordKeeping.refreshing)
    }

    private func armRecord(_ slot: UInt32, _ resumption: Resumption, after wait: Duration) {
        let time = MonotonicTime.now() + wait
        if let armed = resumption.record.armedUntil, armed <= time, armed > MonotonicTime.now() { return }
        resumption.record.armedUntil = time
        arm(.record, slot, after: wait)
    }

    /// Something will be acknowledged without a message, as a subscription that the client is not told of.
    func considerRecordSoon(_ slot: UInt32) {
        guard let resumption = extras(slot)?.resumption, resumption.isRecorded else { return }
        armRecord(slot, resumption, after: .milliseconds(50))
    }

    /// What the record would say; nil while no other node could go on with the session.
    private func recordBody(_ slot: UInt32, _ resumption: Resumption) -> [UInt8]? {
        let session = session(slot)
        guard session.pointee.linkage == .counted || session.pointee.linkage == .cut, resumption.isKeeping,
            resumption.handover == nil, resumption.heldFrom == nil, resumption.unacknowledged.others == 0,
            isSettled(slot), extras(slot)?.expiries.isEmpty != false
        else { return nil }
        var found: [RecordedSession.Channel] = []
        let subscriptions = session.pointee.subscriptions
        for index in 0..<subscriptions.count {
            guard let channel = channels.byIndex[Int(subscriptions[index].channel)] else { return nil }
            let place = resumption.unacknowledged.places[channel.index]
            guard channel.name.isReserved || (channel.rule.history != nil && place != nil) else { return nil }
            found.append(.init(name: channel.name, place: channel.name.isReserved ? nil : place))
        }
        return RecordedSession(
            taken: resumption.received.taken, acknowledged: resumption.unacknowledged.whole,
            origin: lastingID(of: slot),
            channels: found
        ).bytes
    }

    /// Whether nothing that the session asked for is undecided.
    func isSettled(_ slot: UInt32) -> Bool {
        let session = session(slot)
        let subscriptions = session.pointee.subscriptions
        return session.pointee.unanswered == 0 && extras(slot)?.pending.isEmpty != false
            && (extras(slot)?.callsUnderWay ?? 0) == 0 && (extras(slot)?.verdictsUnderWay ?? 0) == 0
            && !(0..<subscriptions.count).contains { subscriptions[$0].rosterIndex == Channels.notInRoster }
    }

    // MARK: Withdrawing

    /// Nobody may go on with the session from its record any more.
    ///
    /// - Returns: Whether that has to be waited for: then what is sent waits.
    @discardableResult
    func withdrawRecord(_ slot: UInt32) -> Bool {
        guard let resumption = extras(slot)?.resumption, resumption.record.mayExist,
            session(slot).pointee.linkage != .arriving
        else { return false }
        guard !resumption.record.isWithdrawing else { return true }
        resumption.record.withdrawing()
        resumption.heldFrom = resumption.unacknowledged.sent &+ 1
        context.counters.sessionRecordsWithdrawn += 1
        askToWithdraw(slot, resumption)
        return true
    }

    private func askToWithdraw(_ slot: UInt32, _ resumption: Resumption) {
        request(
            .record(
                .withdraw(generation: resumption.generation), session(slot).pointee.secret, .withdraw,
                locator(of: slot)))
    }

    /// Before a message of the client is taken.
    ///
    /// - Returns: Whether it has to wait; `releaseHeld` goes on with it.
    func mustWaitForRecord(_ slot: UInt32) -> Bool {
        guard let resumption = extras(slot)?.resumption, resumption.record.mayExist else { return false }
        resumption.isInputHeld = true
        return withdrawRecord(slot)
    }

    /// Redis cannot be asked, or has said nothing.
    private static var withdrawingAgain: Duration { .milliseconds(200) }

    func recordAnswered(_ place: Locator, _ step: RecordStep, _ result: Result<SessionRecordAnswer, PublishRefusal>) {
        guard find(place) != nil, let resumption = extras(place.slot)?.resumption else { return }
        let slot = place.slot
        if case .success(.outdated) = result {
            // Another node went on with it while this one did not answer. It is that node's to tell of.
            resumption.hasMoved = true
            return end(slot, .notResumed)
        }
        guard step == .withdraw, resumption.record.isWithdrawing else { return }
        if case .failure = result, !resumption.record.isOver(now: MonotonicTime.now()) {
            reactor.schedule(after: Self.withdrawingAgain) { [self] in
                guard self.find(place) != nil, let resumption = self.extras(slot)?.resumption,
                    resumption.record.isWithdrawing
                else { return }
                self.askToWithdraw(slot, resumption)
            }
            return
        }
        resumption.record.withdrawn()
        releaseHeld(slot, resumption)
    }

    private func releaseHeld(_ slot: UInt32, _ resumption: Resumption) {
        if io.repliesFor == slot { io.sendGathered() }
        if let first = resumption.heldFrom {
            resumption.heldFrom = nil
            if session(slot).pointee.linkage == .counted { io.sendHeld(slot, resumption, from: first) }
        }
        guard resumption.isInputHeld else { return considerRecord(slot) }
        resumption.isInputHeld = false
        io.resumeInput(slot)
    }

    /// The session is over, or has nothing that anybody could go on with.
    func removeRecord(_ slot: UInt32, _ resumption: Resumption) {
        guard resumption.record.mayExist else { return }
        resumption.record.withdrawn()
        request(.record(.remove(generation: resumption.generation), session(slot).pointee.secret, nil, nil))
    }

    // MARK: Places

    /// The session is subscribed to a channel with history, from a position on.
    func begins(_ slot: UInt32, _ channel: ShardChannel, at position: Position) {
        guard let resumption = extras(slot)?.resumption, resumption.isRecorded else { return }
        resumption.unacknowledged.begin(channel.index, at: position)
        considerRecordSoon(slot)
    }

    /// It joined a channel.
    func joined(_ slot: UInt32, _ channel: ShardChannel) { withdrawRecord(slot) }

    /// It left one.
    func left(_ slot: UInt32, _ channel: ShardChannel) {
        guard let resumption = extras(slot)?.resumption, resumption.isRecorded, resumption.handover == nil,
            !resumption.hasMoved
        else { return }
        withdrawRecord(slot)
        resumption.unacknowledged.leave(channel.index)
        considerRecordSoon(slot)
    }
}
