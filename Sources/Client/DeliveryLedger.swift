/// Which publications of a run have arrived where: finds loss, repetition and disorder, and says when one has arrived
/// everywhere.
///
/// In order costs a comparison and two additions; only what is out of order touches a dictionary.
package struct DeliveryLedger {
    package struct Counts: Equatable, Sendable {
        /// Arrivals, each publication counted once per member.
        package var deliveries: UInt64 = 0
        /// Arrivals of what had arrived before.
        package var duplicates: UInt64 = 0
        /// Arrivals after a later one.
        package var reordered: UInt64 = 0
        /// Skipped and not arrived since.
        package var missing: UInt64 = 0
        /// Messages that are not of this run.
        package var foreign: UInt64 = 0

        package init() {}

        package static func + (left: Counts, right: Counts) -> Counts {
            var sum = left
            sum.deliveries += right.deliveries
            sum.duplicates += right.duplicates
            sum.reordered += right.reordered
            sum.missing += right.missing
            sum.foreign += right.foreign
            return sum
        }
    }

    /// Publications whose arrivals are counted at the same time; more than may be outstanding.
    package static let span = 4096

    package private(set) var counts = Counts()
    private var arrivals = [UInt32](repeating: 0, count: span)
    private var skipped: [UInt32: Set<UInt32>] = [:]
    /// Arrivals that make a publication complete.
    package var goal: UInt32

    package init(goal: UInt32) { self.goal = goal }

    /// What the member expects next is its own to keep; a publication skipped by more than `span` is not remembered
    /// one by one.
    ///
    /// - Returns: Whether this arrival was the last one the publication needed.
    @inline(__always)
    package mutating func arrived(_ sequence: UInt32, member: UInt32, expected: inout UInt32) -> Bool {
        if sequence == expected {
            expected = sequence &+ 1
        } else if !isNews(sequence, member, &expected) {
            return false
        }
        counts.deliveries &+= 1
        let index = Int(sequence) & (Self.span - 1)
        arrivals[index] &+= 1
        if arrivals[index] < goal { return false }
        arrivals[index] = 0
        return true
    }

    package mutating func foreignArrived() { counts.foreign &+= 1 }

    @inline(never)
    private mutating func isNews(_ sequence: UInt32, _ member: UInt32, _ expected: inout UInt32) -> Bool {
        if sequence > expected {
            let gap = sequence - expected
            counts.missing += UInt64(gap)
            if gap <= UInt32(Self.span) { skipped[member, default: []].formUnion(expected..<sequence) }
            expected = sequence &+ 1
            return true
        }
        if skipped[member]?.remove(sequence) != nil {
            counts.missing -= 1
            counts.reordered += 1
            return true
        }
        counts.duplicates += 1
        return false
    }
}
