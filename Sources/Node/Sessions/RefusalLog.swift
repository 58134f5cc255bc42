/// Clients that were refused or sent away, counted by reason. Pure.
///
/// Each reason is logged once a second at the most: operators see what happens, and nobody can fill the log by being
/// refused.
struct RefusalLog {
    private struct Entry {
        var count: UInt64 = 0
        /// When it was logged last, in whole seconds; how many have not been logged since.
        var loggedAt: UInt64?
        var silent: UInt64 = 0
    }

    /// By our own codes: `origin_not_allowed`, `close_1008`, `disconnect_3500`.
    private var entries: [String: Entry] = [:]

    /// - Parameter second: Of any clock that does not go back.
    /// - Returns: How many of the same reason were left out since the last line; nil when this one is not to be logged.
    mutating func note(_ reason: String, second: UInt64) -> UInt64? {
        var entry = entries[reason] ?? Entry()
        defer { entries[reason] = entry }
        entry.count &+= 1
        guard entry.loggedAt != second else {
            entry.silent += 1
            return nil
        }
        entry.loggedAt = second
        defer { entry.silent = 0 }
        return entry.silent
    }

    /// How many there were of each reason.
    var counts: [String: UInt64] { entries.mapValues(\.count) }
}
