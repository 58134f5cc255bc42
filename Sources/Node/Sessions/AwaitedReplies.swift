/// What a client calls the commands of which it is not known yet what became of them, for dialects in which that is no number.
struct AwaitedReplies {
    private var names: [UInt32: [UInt8]] = [:]
    private var last: UInt32 = 0

    var isEmpty: Bool { names.isEmpty }

    /// - Returns: The number to take it by; never 0, and none that waits.
    mutating func keep(_ name: [UInt8]) -> UInt32 {
        repeat { last = last == .max ? 1 : last + 1 } while names[last] != nil
        names[last] = name
        return last
    }

    /// - Returns: Nil for a number that stands for nothing, as all do where numbers are all that clients have.
    mutating func take(_ number: UInt32) -> [UInt8]? { names.removeValue(forKey: number) }
}
