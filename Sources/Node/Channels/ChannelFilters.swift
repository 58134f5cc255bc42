package import Codec

/// The filters of the subscribers of one channel on one reactor: equal ones once, and judged once for each batch.
package final class ChannelFilters {
    /// Publications of a batch, as long as somebody filters: what a filter wants of it is one number.
    package static let batchPublications = 64

    private struct Entry {
        /// Nil while its number is free.
        var filter: TagFilter?
        /// Subscriptions that have it.
        var subscriptions: UInt32
        /// The batch of which `wanted` is known.
        var batch: UInt64
        /// A bit for each publication of that batch.
        var wanted: UInt64
    }

    private var entries: [Entry] = []
    private var numbers: [TagFilter: UInt32] = [:]
    private var free: [UInt32] = []
    /// The number of the running batch. None is 0.
    private var batch: UInt64 = 1

    package init() {}

    package var isEmpty: Bool { numbers.isEmpty }

    /// What one more filter would take in memory: nothing if an equal one is here.
    package func cost(of filter: TagFilter) -> Int { numbers[filter] == nil ? Self.bytes(of: filter) : 0 }

    /// - Returns: Its number, for one subscription.
    package func add(_ filter: TagFilter) -> UInt32 {
        if let number = numbers[filter] {
            entries[Int(number)].subscriptions += 1
            return number
        }
        let entry = Entry(filter: filter, subscriptions: 1, batch: 0, wanted: 0)
        let number = free.popLast() ?? UInt32(clamping: entries.count)
        if Int(number) == entries.count { entries.append(entry) } else { entries[Int(number)] = entry }
        numbers[filter] = number
        return number
    }

    /// A subscription has no use for it any more.
    ///
    /// - Returns: The bytes of memory that are free now.
    package func remove(_ number: UInt32) -> Int {
        guard Int(number) < entries.count, let filter = entries[Int(number)].filter else { return 0 }
        entries[Int(number)].subscriptions -= 1
        guard entries[Int(number)].subscriptions == 0 else { return 0 }
        entries[Int(number)].filter = nil
        numbers[filter] = nil
        numbers.giveBack()
        free.append(number)
        return Self.bytes(of: filter)
    }

    package func filter(_ number: UInt32) -> TagFilter? {
        Int(number) < entries.count ? entries[Int(number)].filter : nil
    }

    /// What it counts against a session's limit.
    package func bytes(of number: UInt32) -> Int {
        filter(number).map { Self.bytes(of: $0) } ?? 0
    }

    /// What is remembered of a filter beside its own memory: its entry, twice.
    package static func bytes(of filter: TagFilter) -> Int {
        filter.memoryBytes + 2 * MemoryLayout<Entry>.stride
    }

    /// Another batch is being delivered: what is known of the last one does not count any more.
    package func beginBatch() { batch &+= 1 }

    /// Which publications of the running batch a filter wants, a bit for each. Changes of presence are wanted by everybody.
    ///
    /// - Parameter publications: The batch: at most `batchPublications`.
    package func wanted(_ number: UInt32, of publications: [Publication]) -> UInt64 {
        guard Int(number) < entries.count, let filter = entries[Int(number)].filter else { return 0 }
        if entries[Int(number)].batch == batch { return entries[Int(number)].wanted }
        var wanted: UInt64 = 0
        var bit: UInt64 = 1
        for publication in publications {
            if publication.extras?.change != nil || filter.matches(publication.extras?.tags) { wanted |= bit }
            bit <<= 1
        }
        entries[Int(number)].batch = batch
        entries[Int(number)].wanted = wanted
        return wanted
    }
}
