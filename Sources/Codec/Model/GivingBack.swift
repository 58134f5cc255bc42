/// Tables keep the memory of the largest size they ever had. Those that grow with the number of sessions or channels
/// give it back when most of what was in them has gone: once an eighth is left, which costs less than what left has cost.
private enum GivingBack {
    /// Below this many elements nobody would notice.
    static let smallest = 1024

    static func isDue(_ count: Int, of capacity: Int) -> Bool { capacity >= smallest && count < capacity / 8 }
}

extension Dictionary {
    /// After something was taken out.
    package mutating func giveBack() {
        guard GivingBack.isDue(count, of: capacity) else { return }
        var smaller = Dictionary(minimumCapacity: count)
        for (key, value) in self { smaller[key] = value }
        self = smaller
    }
}

extension Set {
    /// After something was taken out.
    package mutating func giveBack() {
        guard GivingBack.isDue(count, of: capacity) else { return }
        var smaller = Set(minimumCapacity: count)
        for element in self { smaller.insert(element) }
        self = smaller
    }
}
