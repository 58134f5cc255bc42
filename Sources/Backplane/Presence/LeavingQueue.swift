import Codec
import Reactor

/// Those who have gone and may come back, by the tick in which their time is over: adding one costs the same however many
/// there are, and looking costs as much as is over. Pure.
struct LeavingQueue {
    struct Entry {
        let room: PresenceRoom
        let session: SessionID
        let at: MonotonicTime
    }

    private var wheel: [[Entry]] = Array(repeating: [], count: slots)
    /// The next tick to be looked at, and how many of its entries have been taken.
    private var current: UInt64 = 0
    private var taken = 0
    private(set) var count = 0

    /// How exactly grace is kept.
    static let precision: Duration = .milliseconds(250)
    private static let tick = precision.wholeNanoseconds
    private static let slots = 256
    /// The longest grace, in milliseconds: the wheel's reach, less what rounding takes.
    static let longestGrace: Int64 = 60_000

    mutating func append(_ entry: Entry, now: MonotonicTime) {
        if count == 0 {
            clear()
            current = now.nanoseconds / Self.tick
        }
        let whole = entry.at.nanoseconds / Self.tick
        let due = entry.at.nanoseconds % Self.tick == 0 ? whole : whole &+ 1
        // Behind a wheel that was not turned for long, an entry comes up early, and whoever takes it puts it back.
        let tick = min(max(due, current), current &+ UInt64(Self.slots - 1))
        wheel[Int(tick % UInt64(Self.slots))].append(entry)
        count += 1
    }

    /// One whose time is over; nil when there is none by now.
    mutating func next(now: MonotonicTime) -> Entry? {
        let last = now.nanoseconds / Self.tick
        while count > 0, current <= last {
            let slot = Int(current % UInt64(Self.slots))
            if taken < wheel[slot].count {
                let entry = wheel[slot][taken]
                taken += 1
                count -= 1
                return entry
            }
            clear()
            current &+= 1
        }
        if count == 0 { clear() }
        return nil
    }

    /// Forgets what has been taken from the current tick.
    private mutating func clear() {
        guard taken > 0 else { return }
        wheel[Int(current % UInt64(Self.slots))] = []
        taken = 0
    }
}
