/// Deadlines by the million: a hierarchical timing wheel (Varghese and Lauck, 1987).
///
/// Four levels of 256 slots with a tick of 8 ms reach 2^32 ticks (about a year); what lies beyond waits in the last
/// slot and is sorted in again. Adding is O(1) and allocates only while a slot's array grows; there is no removing,
/// because whoever is called back checks whether the reason still stands. Pure: time is given to it.
package struct TimingWheel {
    /// What is to happen: 64 bits for whoever set it, and when.
    package struct Entry: Equatable, Sendable {
        package let token: UInt64
        package let tag: UInt16
        /// In ticks.
        fileprivate let due: UInt64

        fileprivate init(token: UInt64, tag: UInt16, due: UInt64) {
            self.token = token
            self.tag = tag
            self.due = due
        }
    }

    /// The resolution, in nanoseconds.
    package static let tick: UInt64 = 8_000_000
    private static let levels = 4
    private static let bits: UInt64 = 8
    private static let slots = 256

    private var wheel: [[Entry]]
    /// How many entries each level has, so that empty levels cost nothing.
    private var counts = [Int](repeating: 0, count: levels)
    /// The next tick to be looked at.
    private var current: UInt64
    package private(set) var count = 0

    package init(now: MonotonicTime) {
        wheel = Array(repeating: [], count: Self.levels * Self.slots)
        current = now.nanoseconds / Self.tick
    }

    /// Remembers an entry that is due at a time; never early, at most a tick late.
    package mutating func add(token: UInt64, tag: UInt16, at time: MonotonicTime) {
        let due = max(time.nanoseconds / Self.tick + 1, current)
        count += 1
        insert(Entry(token: token, tag: tag, due: due))
    }

    private mutating func insert(_ entry: Entry) {
        let distance = entry.due - current
        var level = 0
        while level < Self.levels - 1, distance >= 1 << (Self.bits * UInt64(level + 1)) { level += 1 }
        let reach = current + min(distance, (1 << (Self.bits * UInt64(Self.levels))) - 1)
        let slot = Int((min(entry.due, reach) >> (Self.bits * UInt64(level))) & 0xFF)
        wheel[level * Self.slots + slot].append(entry)
        counts[level] += 1
    }

    /// Moves on to a time and appends what is due by then, in order of ticks. Nothing is called back from here, so
    /// that whoever is called afterwards may add entries.
    package mutating func advance(to now: MonotonicTime, into expired: inout [Entry]) {
        let target = now.nanoseconds / Self.tick
        while current <= target {
            if count == 0 {
                current = target + 1
                return
            }
            let slot = Int(current & 0xFF)
            // The turn of a level: what waited one level up for this stretch is sorted in.
            if slot == 0 { cascade() }
            if counts[0] == 0, current | 0xFF < target {
                current = (current | 0xFF) + 1
                continue
            }
            let due = wheel[slot].count
            if due > 0 {
                expired.append(contentsOf: wheel[slot])
                // The memory is kept for the next round, unless it was a flood.
                wheel[slot].removeAll(keepingCapacity: due <= 64)
                counts[0] -= due
                count -= due
            }
            current += 1
        }
    }

    private mutating func cascade() {
        for level in 1..<Self.levels {
            let slot = Int((current >> (Self.bits * UInt64(level))) & 0xFF)
            let index = level * Self.slots + slot
            let entries = wheel[index]
            wheel[index] = []
            counts[level] -= entries.count
            for entry in entries { insert(entry) }
            if slot != 0 { return }
        }
    }

    /// The time by which `advance` should be called again, or nil when nothing waits. May be early, never late.
    package var nextDue: MonotonicTime? {
        guard count > 0 else { return nil }
        if counts[0] > 0 {
            for distance in 0..<UInt64(Self.slots) where !wheel[Int((current + distance) & 0xFF)].isEmpty {
                return MonotonicTime(nanoseconds: (current + distance) * Self.tick)
            }
        }
        // Nothing in the finest level: not before its next turn.
        return MonotonicTime(nanoseconds: ((current | 0xFF) + 1) * Self.tick)
    }
}
