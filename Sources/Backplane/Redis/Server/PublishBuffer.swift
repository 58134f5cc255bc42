package import Codec
package import Reactor

/// Publications that wait while the node is isolated: for a bounded time, in bounded memory. Pure.
package struct PublishBuffer {
    package struct Waiting {
        package let publication: Publication
        package let history: HistorySettings?
        package let ticket: PublishTicket
        /// When it has waited long enough; 0 when it has not waited yet.
        var until: MonotonicTime
        let bytes: Int

        init(
            publication: Publication, history: HistorySettings?, ticket: PublishTicket,
            until: MonotonicTime = MonotonicTime(nanoseconds: 0), bytes: Int = 0
        ) {
            self.publication = publication
            self.history = history
            self.ticket = ticket
            self.until = until
            self.bytes = bytes
        }
    }

    private let wait: Duration
    private let maximumBytes: Int
    private var waiting: [Waiting] = []
    private var start = 0
    package private(set) var bytes = 0

    /// What each publication counts beyond its payload.
    private static let overhead = 256

    package init(wait: Duration, maximumBytes: Int) {
        self.wait = wait
        self.maximumBytes = maximumBytes
    }

    package var count: Int { waiting.count - start }

    /// - Returns: False when it is full.
    package mutating func append(
        _ publication: Publication, history: HistorySettings? = nil, _ ticket: PublishTicket, now: MonotonicTime
    ) -> Bool {
        let size = Self.size(of: publication)
        guard bytes + size <= maximumBytes else { return false }
        bytes += size
        waiting.append(
            Waiting(
                publication: publication, history: history, ticket: ticket, until: now + wait, bytes: size))
        return true
    }

    /// What had been sent before anything waited, and was not answered: it goes before what waits.
    ///
    /// - Returns: Those for which there is no room.
    package mutating func putBack(_ earlier: [Waiting], now: MonotonicTime) -> [Waiting] {
        // What waits has not begun to wait later than now.
        let until = start < waiting.count ? waiting[start].until : now + wait
        var fitting: [Waiting] = []
        for one in earlier {
            let size = Self.size(of: one.publication)
            guard bytes + size <= maximumBytes else { break }
            bytes += size
            fitting.append(
                Waiting(
                    publication: one.publication, history: one.history, ticket: one.ticket, until: until, bytes: size))
        }
        waiting.replaceSubrange(..<start, with: fitting)
        start = 0
        return Array(earlier.dropFirst(fitting.count))
    }

    private static func size(of publication: Publication) -> Int { publication.weight + overhead }

    /// Those that have waited too long, oldest first.
    package mutating func expired(now: MonotonicTime) -> [Waiting] {
        var gone: [Waiting] = []
        while start < waiting.count, waiting[start].until <= now {
            gone.append(waiting[start])
            bytes -= waiting[start].bytes
            start += 1
        }
        if start > 0, start * 2 >= waiting.count {
            waiting.removeFirst(start)
            start = 0
        }
        return gone
    }

    /// Those of some partitions, oldest first: another server has them from now on.
    package mutating func take(_ partitions: PartitionSet) -> [Waiting] {
        let all = waiting[start...]
        let taken = all.filter { partitions.contains($0.publication.channel) }
        guard !taken.isEmpty else { return [] }
        waiting = all.filter { !partitions.contains($0.publication.channel) }
        start = 0
        bytes -= taken.reduce(0) { $0 + $1.bytes }
        return taken
    }

    /// All of them, oldest first: the link is back.
    package mutating func takeAll() -> [Waiting] {
        defer {
            waiting = []
            start = 0
            bytes = 0
        }
        return Array(waiting[start...])
    }
}
