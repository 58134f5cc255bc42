package import Reactor

/// The requests of one client that asks its session for what waits: which one waits, what it was given, and until when which of this
/// may last. Pure: it is told what happened and what time it is.
///
/// One answer with messages is under way at a time. Until it is known that the client has it, it is kept; if it comes back, the next
/// request gets it. So nothing is lost with a connection that breaks, or comes twice.
package struct PolledSession {
    /// What is due.
    package enum Due: Equatable {
        /// Nothing came for this request in time.
        case timeout(CommandAsker)
        /// The client has not asked for too long.
        case gap
        /// What became of an answer was not heard, and nobody knows any more whether the client has it.
        case lost(CommandAsker)
    }

    /// How long the answer to one request may take to the client: it has to read it within that time.
    package static let delivery: Duration = .seconds(30)
    /// What was heard of an answer comes at once. Nobody waits longer for it than this once the client has asked again.
    package static let hearing: Duration = .seconds(2)
    private static let margin: Duration = .seconds(5)

    package private(set) var waiting: CommandAsker?
    private var waitsUntil: MonotonicTime
    package private(set) var given: CommandAsker?
    private var heardUntil: MonotonicTime
    /// What was given and is not known to have arrived, or has come back.
    private var kept: [UInt8] = []
    /// Since when nobody asks; nil while somebody does.
    private var idleSince: MonotonicTime?

    /// - Parameter now: When the first request was answered.
    package init(now: MonotonicTime) {
        waitsUntil = now
        heardUntil = now
        idleSince = now
    }

    /// Bytes that are kept.
    package var keptBytes: Int { kept.count }

    /// Whether an answer has come back and waits for the next request.
    package var hasReturned: Bool { given == nil && !kept.isEmpty }

    // MARK: What happened

    /// A request waits. One that was answered and waits again did not get its answer.
    ///
    /// - Returns: The request that waited until now, and has to be told that it is over.
    package mutating func asked(
        by asker: CommandAsker, limits: PollLimits, now: MonotonicTime
    ) -> CommandAsker? {
        if given == asker { given = nil }
        let replaced = waiting == asker ? nil : waiting
        waiting = asker
        waitsUntil = now + limits.timeout
        idleSince = nil
        if given != nil { heardUntil = min(heardUntil, now + Self.hearing) }
        return replaced
    }

    /// Whether a request waits that can be answered with messages.
    ///
    /// - Parameter isLinked: Without a link, other nodes hear no answer.
    package func canGive(isLinked: Bool) -> Bool {
        guard let waiting, given == nil else { return false }
        return isLinked || !waiting.isElsewhere
    }

    /// The request is answered with these messages, or with those that came back.
    package mutating func give(_ messages: [UInt8], now: MonotonicTime) -> (asker: CommandAsker, messages: [UInt8])? {
        guard given == nil, let asker = waiting else { return nil }
        if kept.isEmpty { kept = messages }
        given = asker
        waiting = nil
        heardUntil = now + Self.delivery + Self.margin
        return (asker, kept)
    }

    /// The request that waits is answered without messages.
    package mutating func release(now: MonotonicTime) -> CommandAsker? {
        guard let asker = waiting else { return nil }
        waiting = nil
        if given == nil { idleSince = now }
        return asker
    }

    /// It was heard what became of an answer, or that nobody waits for one any more.
    package mutating func settled(_ asker: CommandAsker, isTaken: Bool, now: MonotonicTime) {
        if given == asker {
            given = nil
            if isTaken { kept = [] }
        } else if waiting == asker, !isTaken {
            waiting = nil
        }
        if given == nil, waiting == nil, idleSince == nil { idleSince = now }
    }

    /// The session has ended, and is kept for its last words.
    package mutating func ends(now: MonotonicTime) {
        if idleSince != nil { idleSince = now }
    }

    /// The link is up again: what other nodes said meanwhile may be lost.
    package mutating func linked(now: MonotonicTime) {
        if given?.isElsewhere == true { heardUntil = min(heardUntil, now + Self.hearing) }
    }

    // MARK: Time

    /// When something is due next, unless something happens.
    package func deadline(_ limits: PollLimits) -> MonotonicTime? {
        var times: [MonotonicTime] = []
        if waiting != nil { times.append(waitsUntil) }
        if given != nil { times.append(heardUntil) }
        if let idleSince { times.append(idleSince + limits.gap) }
        return times.min()
    }

    package func due(_ limits: PollLimits, now: MonotonicTime) -> Due? {
        if let given, heardUntil <= now { return .lost(given) }
        if let waiting, waitsUntil <= now { return .timeout(waiting) }
        if let idleSince, idleSince + limits.gap <= now { return .gap }
        return nil
    }
}

extension CommandAsker {
    /// Whether another node has to be told.
    package var isElsewhere: Bool { if case .node = self { true } else { false } }
}
