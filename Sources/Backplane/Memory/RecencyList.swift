/// Slots of a table in the order of their last use, so that the oldest one is found without looking at the others.
struct RecencyList {
    private var older: [Int] = []
    private var newer: [Int] = []
    private(set) var oldest: Int?
    private(set) var newest: Int?
    private(set) var count = 0

    private static let none = -1
    /// Marks a slot that is not in the list.
    private static let absent = -2

    func contains(_ slot: Int) -> Bool { slot < older.count && older[slot] != Self.absent }

    /// Makes a slot the newest one, whether it was in the list or not.
    mutating func use(_ slot: Int) {
        guard newest != slot else { return }
        remove(slot)
        while older.count <= slot {
            older.append(Self.absent)
            newer.append(Self.absent)
        }
        older[slot] = newest ?? Self.none
        newer[slot] = Self.none
        if let newest { newer[newest] = slot } else { oldest = slot }
        newest = slot
        count += 1
    }

    mutating func remove(_ slot: Int) {
        guard contains(slot) else { return }
        let (before, after) = (older[slot], newer[slot])
        if before == Self.none { oldest = after == Self.none ? nil : after } else { newer[before] = after }
        if after == Self.none { newest = before == Self.none ? nil : before } else { older[after] = before }
        older[slot] = Self.absent
        newer[slot] = Self.absent
        count -= 1
    }
}
