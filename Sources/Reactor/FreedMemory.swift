import CLinux

/// When memory that was freed goes back to the system. glibc keeps it where small pieces of it lie between others, and the
/// reactors allocate and free side by side. Pure: it is told how much the node holds.
package struct FreedMemory {
    /// The most that was held since memory was given back last: sessions and channels.
    private var peak = 0
    /// Looks in a row that saw less than half of it.
    private var quiet = 0
    /// Memory was given back, and what was freed only after that is still to be.
    private var isOnceMoreDue = false

    /// Below this many sessions and channels it is not worth it.
    package static let smallest = 8192
    /// Timers of what has gone hold some of its memory for a few seconds. One look is a second.
    package static let patience = 10

    package init() {}

    package enum Advice: Sendable { case keep, giveBack }

    /// Once a second.
    package mutating func look(_ used: Int) -> Advice {
        peak = max(peak, used)
        let hasGone = peak >= Self.smallest && used < peak / 2
        guard hasGone || isOnceMoreDue else {
            quiet = 0
            return .keep
        }
        quiet += 1
        guard quiet >= Self.patience else { return .keep }
        // Something may have held its memory for longer than that. Where there is nothing to give, this costs nearly nothing.
        isOnceMoreDue = hasGone
        peak = used
        quiet = 0
        return .giveBack
    }

    /// Gives free pages back to the system. Takes some 10 ms for 100 MB, and locks out those who allocate from the same arena
    /// meanwhile; so not on a reactor, and only when much has gone.
    package static func giveBack() { _ = malloc_trim(0) }
}
