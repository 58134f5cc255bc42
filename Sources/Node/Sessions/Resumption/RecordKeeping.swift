import Backplane
import Reactor

/// What is known of the record of a session, with which another node could go on if this one died. Pure.
///
/// From when it is asked to be kept until it is known to be withdrawn, there may be a record. Meanwhile nothing may be sent that no
/// history has, and nothing may be carried out: the other node could not know.
struct RecordKeeping {
    /// There may be a record.
    private(set) var mayExist = false
    /// It is being withdrawn.
    private(set) var isWithdrawing = false
    /// What was kept last, and when.
    private(set) var body: [UInt8] = []
    private(set) var keptAt: MonotonicTime?
    /// When an alarm rings next.
    var armedUntil: MonotonicTime?

    /// A record that has not changed is written again before it is over.
    static let refreshing: Duration = .seconds(100)
    /// How long a record may be there, if it cannot be withdrawn.
    private static let lifetime: Duration = .milliseconds(SessionRecord.lifetime) + .seconds(1)

    /// Another node may have kept one before the session came from there.
    mutating func arrived(now: MonotonicTime) {
        mayExist = true
        keptAt = now
    }

    /// What is left of a pause since the last record was written.
    func wait(_ pause: Duration, now: MonotonicTime) -> Duration {
        keptAt.map { max(.zero, $0 + pause - now) } ?? .zero
    }

    /// Whether a record would say something else than the last one.
    func isNews(_ next: [UInt8]) -> Bool { !mayExist || next != body }

    mutating func kept(_ body: [UInt8], now: MonotonicTime) {
        mayExist = true
        self.body = body
        keptAt = now
    }

    mutating func withdrawing() { isWithdrawing = true }

    mutating func withdrawn() {
        isWithdrawing = false
        mayExist = false
    }

    /// Whether it is over by itself, when it cannot be withdrawn.
    func isOver(now: MonotonicTime) -> Bool { keptAt.map { $0 + Self.lifetime < now } ?? true }
}
