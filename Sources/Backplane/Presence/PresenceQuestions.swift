import Codec

/// Questions about who is present that wait for Redis. Equal ones share one read, and a question never gets an answer that
/// was read before it was put: those that come while a read is under way share the next one. Pure.
struct PresenceQuestions {
    typealias Completion = (Result<PresencePage, PublishRefusal>) -> Void

    private struct Waiting {
        /// Of the read that is under way; nil when none is.
        var reading: [Completion]?
        /// Of the next one.
        var next: [Completion] = []
    }

    private var waiting: [PresenceQuery: Waiting] = [:]
    /// Those that can be read as soon as there is room.
    private var ready = Fifo<PresenceQuery>()
    /// Reads under way.
    private(set) var reads = 0
    /// Questions that wait.
    private(set) var count = 0

    /// Reads under way at the most; each answer has at most `PresenceQuery.maximumBytes`.
    static let maximumReads = 32
    /// Questions that may wait.
    static let maximum = 16_384

    enum Put {
        case read
        /// Too many wait, and the completion is not kept.
        case refuse
    }

    mutating func put(_ query: PresenceQuery, _ completion: @escaping Completion) -> Put {
        guard count < Self.maximum else { return .refuse }
        count += 1
        let isNew = waiting[query] == nil
        waiting[query, default: Waiting()].next.append(completion)
        if isNew { ready.append(query) }
        return .read
    }

    /// What is to be read now.
    mutating func next() -> PresenceQuery? {
        guard reads < Self.maximumReads, let query = ready.next(), let those = waiting[query]?.next else { return nil }
        waiting[query] = Waiting(reading: those)
        reads += 1
        return query
    }

    /// A read is answered.
    ///
    /// - Returns: Whom to tell.
    mutating func answered(_ query: PresenceQuery) -> [Completion] {
        guard let those = waiting[query]?.reading else { return [] }
        reads -= 1
        count -= those.count
        if waiting[query]?.next.isEmpty ?? true {
            waiting[query] = nil
        } else {
            waiting[query]?.reading = nil
            ready.append(query)
        }
        return those
    }
}
