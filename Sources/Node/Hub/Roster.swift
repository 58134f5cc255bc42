/// The subscribers of one channel and one variant on one reactor, and how far the running pass has come through them.
///
/// Kept in three stretches: `[0, cursor)` were served by the running pass, `[cursor, end)` are still to be served,
/// `[end, count)` joined while it runs and wait for the next one. Joining and leaving move at most one entry per
/// stretch, so a pass neither skips nor repeats anybody however many come and go between its slices. When no pass runs,
/// the first two stretches are empty.
///
/// A plain struct over its own memory (`deinitialize()` gives it back): no reference counting, no exclusivity check in
/// the walk.
package struct Roster {
    /// One subscriber.
    package struct Entry: Equatable {
        package var slot: UInt32
        /// The sequence number of the first publication that is meant for it.
        package var since: UInt32

        package init(slot: UInt32, since: UInt32) {
            self.slot = slot
            self.since = since
        }
    }

    package private(set) var entries: UnsafeMutablePointer<Entry>
    private var capacity: Int
    package private(set) var count = 0
    package private(set) var cursor = 0
    package private(set) var end = 0

    package init() {
        capacity = 1
        entries = .allocate(capacity: 1)
    }

    package func deinitialize() {
        entries.deallocate()
    }

    /// Adds a subscriber; a running pass does not serve it.
    ///
    /// - Returns: Its place, to be given to `remove`, and to be updated whenever `remove` says that it moved.
    package mutating func append(_ entry: Entry) -> UInt32 {
        if count == capacity {
            let larger = UnsafeMutablePointer<Entry>.allocate(capacity: capacity * 2)
            larger.initialize(from: entries, count: count)
            entries.deallocate()
            entries = larger
            capacity *= 2
        }
        entries[count] = entry
        count += 1
        return UInt32(count - 1)
    }

    /// Takes the subscriber at a place out; `moved` hears of each subscriber that has another place now.
    package mutating func remove(at place: UInt32, moved: (_ slot: UInt32, _ place: UInt32) -> Void) {
        precondition(place < count)
        var hole = Int(place)
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
