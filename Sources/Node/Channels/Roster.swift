/// The subscribers of one channel and one variant on one reactor, and how far the running pass has come through them.
///
/// Kept in three stretches: `[0, cursor)` were served by the running pass, `[cursor, end)` are still to be served,
/// `[end, count)` joined while it runs and wait for the next one. Joining and leaving move at most one entry per
/// stretch, so a pass neither skips nor repeats anybody however many come and go between its slices. When no pass runs,
/// the first two stretches are empty.
///
/// The one owner of its memory: no reference counting, no exclusivity check in the walk.
package struct Roster: ~Copyable {
    /// One subscriber.
    ///
    /// In 12 bytes, because there is one for each subscription: 32 bits of slot, 16 of generation, 48 of sequence number.
    package struct Entry: Equatable {
        package let slot: UInt32
        private var low: UInt32
        private var high: UInt32

        /// - Parameters:
        ///   - generation: That of the session: an entry that outlived its session is found out before anything is written
        ///     for it.
        ///   - since: The sequence number of the first publication that is meant for it.
        package init(slot: UInt32, generation: UInt32, since: UInt64) {
            self.slot = slot
            low = UInt32(truncatingIfNeeded: since)
            high = UInt32(truncatingIfNeeded: since >> 32) << 16 | generation & 0xFFFF
        }

        /// It counts as having joined at another sequence number.
        fileprivate mutating func begin(anew since: UInt64) {
            low = UInt32(truncatingIfNeeded: since)
            high = UInt32(truncatingIfNeeded: since >> 32) << 16 | high & 0xFFFF
        }

        /// Whether it is of a session of this generation.
        @inline(__always)
        package func isOf(generation: UInt32) -> Bool { (high ^ generation) & 0xFFFF == 0 }

        /// How many publications, from the one numbered `first` on, came before this subscriber; less than one when all
        /// are for it. Right for any two numbers less than 2^47 apart: at a million publications a second, four years.
        @inline(__always)
        package func skipped(from first: UInt64) -> Int {
            let since = UInt64(high >> 16) << 32 | UInt64(low)
            return Int(truncatingIfNeeded: Int64(bitPattern: (since &- first) << 16) >> 16)
        }
    }

    package private(set) var entries: UnsafeMutablePointer<Entry>
    /// Beside each entry the number of its filter, in a roster of those who filter.
    package private(set) var filters: UnsafeMutablePointer<UInt32>?
    private var capacity: Int
    package private(set) var count = 0
    package private(set) var cursor = 0
    package private(set) var end = 0

    /// - Parameter isFiltered: Whether its subscribers filter.
    package init(isFiltered: Bool = false) {
        capacity = 1
        entries = .allocate(capacity: 1)
        if isFiltered { filters = .allocate(capacity: 1) }
    }

    deinit {
        entries.deallocate()
        filters?.deallocate()
    }

    /// Adds a subscriber; a running pass does not serve it.
    ///
    /// - Parameter filter: The number of its filter, where subscribers filter.
    /// - Returns: Its place, to be given to `remove`, and to be updated whenever `remove` says that it moved.
    package mutating func append(_ entry: Entry, filter: UInt32 = 0) -> UInt32 {
        if count == capacity { grow() }
        entries[count] = entry
        filters?[count] = filter
        count += 1
        return UInt32(count - 1)
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Entry>.allocate(capacity: capacity * 2)
        larger.initialize(from: entries, count: count)
        entries.deallocate()
        entries = larger
        if let old = filters {
            let larger = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity * 2)
            larger.initialize(from: old, count: count)
            old.deallocate()
            filters = larger
        }
        capacity *= 2
    }

    /// What a subscriber had of the channel before a sequence number is no base for a delta.
    package mutating func begin(anew since: UInt64, at index: Int) { entries[index].begin(anew: since) }

    /// Takes the subscriber at a place out; `moved` hears of each subscriber that has another place now.
    package mutating func remove(at index: UInt32, moved: (_ slot: UInt32, _ index: UInt32) -> Void) {
        precondition(index < count)
        var hole = Int(index)
        // The hole wanders from the stretch it is in to the end of the roster, one entry moving per stretch.
        if hole < cursor {
            cursor -= 1
            fill(&hole, from: cursor, moved)
        }
        if hole < end {
            end -= 1
            fill(&hole, from: end, moved)
        }
        count -= 1
        fill(&hole, from: count, moved)
    }

    @inline(__always)
    private mutating func fill(_ hole: inout Int, from last: Int, _ moved: (UInt32, UInt32) -> Void) {
        if hole != last {
            entries[hole] = entries[last]
            if let filters { filters[hole] = filters[last] }
            moved(entries[hole].slot, UInt32(hole))
        }
        hole = last
    }

    /// A pass begins: everybody here now is to be served.
    package mutating func beginPass() {
        cursor = 0
        end = count
    }

    /// Takes the next stretch of at most `most` subscribers, which count as served from here on.
    package mutating func takeSlice(most: Int) -> Range<Int> {
        let start = cursor
        cursor = min(end, start + most)
        return start..<cursor
    }

    package var isServed: Bool { cursor == end }

    /// A pass is over.
    package mutating func endPass() {
        cursor = 0
        end = 0
    }
}
