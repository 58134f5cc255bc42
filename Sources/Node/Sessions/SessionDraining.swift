import Codec
import Reactor

/// The sessions of a node that is about to leave.
struct Leaving {
    let begin: MonotonicTime
    let window: Duration
    let total: Int
    var told = 0
    /// The next slot to look at.
    var next: UInt32 = 0
    /// Sessions whose publications have not been answered yet.
    var busy: [Locator] = []
    /// The node stays after all: those who were told leave, and nobody else.
    var isUndone = false
}

/// Draining: sessions are told to come back elsewhere, one after the other, so that the other nodes do not get them all at
/// once; what they published is answered first.
extension SessionLife {
    private static var step: Duration { .milliseconds(50) }

    /// How long an answer is waited for, at the most: no publication waits longer for the link.
    private static var patience: Duration { .seconds(6) }

    /// When an event stream is to come back, in milliseconds: not all of one step at the same moment.
    private static var returning: ClosedRange<Int> { 100...2000 }

    /// All sessions leave, spread over a time.
    func leave(over window: Duration) {
        let earlier = leaving
        guard earlier?.isUndone ?? true else { return }
        leaving = Leaving(begin: reactor.now, window: window, total: context.table.count, busy: earlier?.busy ?? [])
        // An earlier one that was undone and still waits for answers has its timer.
        if earlier == nil { goOnLeaving() }
    }

    /// The node serves again.
    func stay() {
        leaving?.isUndone = true
    }

    private func goOnLeaving() {
        guard var leaving else { return }
        let elapsed = reactor.now - leaving.begin
        let share = leaving.window == .zero ? 1 : min(1, elapsed / leaving.window)
        let target = share == 1 ? .max : Int((Double(leaving.total) * share).rounded(.up))
        // Whoever does not read keeps nobody waiting: its answers count as delivered when they are queued.
        for locator in leaving.busy where context.table.find(locator.slot, generation: locator.generation) != nil {
            if session(locator.slot).pointee.unanswered == 0 || elapsed > leaving.window + Self.patience {
                tellToLeave(locator.slot)
            }
        }
        leaving.busy.removeAll { locator in
            guard let session = context.table.find(locator.slot, generation: locator.generation) else { return true }
            return session.pointee.phase != .open
        }
        while !leaving.isUndone, leaving.told < target, leaving.next < UInt32(context.table.used) {
            let slot = leaving.next
            leaving.next += 1
            // Sessions of other nodes are asked for at other nodes. Those of this one answer when they are told to leave.
            if session(slot).pointee.phase == .polling, extras(slot)?.poll?.source != .here { admittance.endPoll(slot) }
            guard session(slot).pointee.phase == .open else { continue }
            leaving.told += 1
            if session(slot).pointee.unanswered == 0 {
                tellToLeave(slot)
            } else {
                // Nothing new is taken from it.
                session(slot).pointee.flags.insert(.parked)
                io.updateInterest(slot)
                leaving.busy.append(locator(of: slot))
            }
        }
        self.leaving = leaving
        io.flushDirty()
        if leaving.isUndone, leaving.busy.isEmpty {
            self.leaving = nil
            return
        }
        guard share < 1 || !leaving.busy.isEmpty else {
            self.leaving = nil
            // Those who came meanwhile, and those who never became sessions.
            return closeAll()
        }
        reactor.schedule(after: Self.step) { [self] in self.goOnLeaving() }
    }

    private func tellToLeave(_ slot: UInt32) {
        end(slot, .shutdown(comeBackAfter: .random(in: Self.returning, using: &random)))
    }
}
