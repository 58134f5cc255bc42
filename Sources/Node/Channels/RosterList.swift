package import Codec

/// The rosters of one channel on one reactor: one for each variant that somebody here speaks, and each form in which somebody
/// gets publications.
///
/// A variant that is left by the last of its subscribers goes at once, or, while a pass runs, at the pass's end: until then
/// the others keep their places. Nearly every channel has one variant or two, so they are searched one after the other.
///
/// The one owner of its memory, as its rosters are.
package struct RosterList: ~Copyable {
    package struct Entry: ~Copyable {
        package let variant: Variant
        package let form: SubscriptionForm.Kind
        package var roster: Roster
        /// Says that publications were dropped; made when it is needed.
        package var notice: Block?

        deinit { notice?.release() }
    }

    /// Valid until the next change.
    package private(set) var entries: UnsafeMutablePointer<Entry>?
    private var capacity: UInt32 = 0
    package private(set) var count = 0
    private var isServing = false

    package init() {}

    deinit {
        entries?.deinitialize(count: count)
        entries?.deallocate()
    }

    /// The entry of a variant and a form that is there.
    @inline(__always)
    package func find(_ variant: Variant, _ form: SubscriptionForm.Kind = .all) -> UnsafeMutablePointer<Entry>? {
        guard let entries else { return nil }
        for index in 0..<count where entries[index].variant == variant && entries[index].form == form {
            return entries + index
        }
        return nil
    }

    /// Whether there are subscribers with deltas, or a pass has them yet.
    package var hasDeltas: Bool {
        guard let entries else { return false }
        for index in 0..<count where entries[index].form == .deltas { return true }
        return false
    }

    /// Adds a subscriber; a running pass does not serve it.
    ///
    /// - Returns: Its place, see `Roster.append`.
    package mutating func append(
        _ subscriber: Roster.Entry, speaking variant: Variant, as form: SubscriptionForm = .all
    ) -> UInt32 {
        let entry = find(variant, form.kind) ?? make(variant, form.kind)
        guard case .filtered(let filter) = form else { return entry.pointee.roster.append(subscriber) }
        return entry.pointee.roster.append(subscriber, filter: filter)
    }

    private mutating func make(_ variant: Variant, _ form: SubscriptionForm.Kind) -> UnsafeMutablePointer<Entry> {
        let memory: UnsafeMutablePointer<Entry>
        if let entries, count < Int(capacity) {
            memory = entries
        } else {
            let room = max(1, count * 2)
            memory = .allocate(capacity: room)
            if let entries {
                memory.moveInitialize(from: entries, count: count)
                entries.deallocate()
            }
            entries = memory
            capacity = UInt32(clamping: room)
        }
        let entry = memory + count
        entry.initialize(to: Entry(variant: variant, form: form, roster: Roster(isFiltered: form == .filtered)))
        count += 1
        return entry
    }

    /// The roster that has a subscriber at a place: a session is in one of a channel's rosters.
    package func find(_ slot: UInt32, at index: UInt32, speaking variant: Variant) -> UnsafeMutablePointer<Entry>? {
        guard let entries else { return nil }
        for number in 0..<count where entries[number].variant == variant {
            let entry = entries + number
            guard index < entry.pointee.roster.count else { continue }
            if entry.pointee.roster.entries[Int(index)].slot == slot { return entry }
        }
        return nil
    }

    /// Takes the subscriber at a place of a variant out, see `Roster.remove`.
    ///
    /// - Returns: Whether this subscriber was there.
    package mutating func remove(
        _ slot: UInt32, at index: UInt32, speaking variant: Variant, moved: (_ slot: UInt32, _ index: UInt32) -> Void
    ) -> Bool {
        guard let entry = find(slot, at: index, speaking: variant) else { return false }
        entry.pointee.roster.remove(at: index, moved: moved)
        if entry.pointee.roster.count == 0, !isServing { drop(entry) }
        return true
    }

    private mutating func drop(_ entry: UnsafeMutablePointer<Entry>) {
        guard let entries else { return }
        entry.deinitialize(count: 1)
        count -= 1
        let last = entries + count
        if entry != last { entry.moveInitialize(from: last, count: 1) }
        guard count == 0 else { return }
        entries.deallocate()
        self.entries = nil
        capacity = 0
    }

    /// A pass begins: everybody here now is to be served.
    package mutating func beginPass() {
        isServing = true
        guard let entries else { return }
        for index in 0..<count { entries[index].roster.beginPass() }
    }

    /// A pass is over.
    package mutating func endPass() {
        isServing = false
        for index in (0..<count).reversed() {
            guard let entries else { return }
            entries[index].roster.endPass()
            if entries[index].roster.count == 0 { drop(entries + index) }
        }
    }

    /// All subscribers, variant by variant.
    package func forEach(_ body: (Roster.Entry) -> Void) {
        guard let entries else { return }
        for number in 0..<count {
            for index in 0..<entries[number].roster.count { body(entries[number].roster.entries[index]) }
        }
    }
}
