package import Codec
package import Reactor

/// A channel as one reactor sees it: who is subscribed here, and what waits for them.
package final class ShardChannel {
    package enum Interest {
        /// Asked for; nobody is told "subscribed" yet.
        case opening
        /// Everything published from now on arrives here.
        case confirmed
    }

    /// A session that waits for the interest to be confirmed.
    package struct Waiting {
        package let generation: UInt32
        package let reply: ReplyID
    }

    package let name: ChannelName
    package let index: UInt32
    /// Changes only by a reload.
    package private(set) var rule: ChannelRule
    /// What becomes of its publications where a subscriber does not keep up.
    package private(set) var kind: Outbound.Kind
    /// What its subscribers have to be told or asked since a reload changed its rule; empty but for that moment.
    var concerns: RuleReview.Concerns = []
    /// How often a subscriber here did not get a publication because it did not keep up.
    package var dropped: UInt64 = 0
    package var interest = Interest.opening
    /// Those who wait, by slot: a session waits for a channel once.
    package var waiting: [UInt32: Waiting] = [:]
    /// Sessions that join it with the reply to their `connect`.
    package var arriving: Set<UInt32> = []
    /// The reactor's count of channels given up when this one was asked for.
    package var leavesAtJoin: UInt64 = 0

    package var rosters = RosterList()
    /// Sessions that are in a roster or wait to be.
    package var subscribers = 0

    /// Publications no pass has taken yet, oldest first.
    package var backlog: [Publication] = []
    /// Payload bytes in `backlog`.
    package var backlogBytes = 0
    /// The number that the next publication to arrive will get. Wraps.
    package var nextSequence: UInt64
    package var pass: Pass?
    /// Sessions that leave, and the first publication that is not for them.
    var fences: [(session: Locator, sequence: UInt64)] = []
    package var isQueued = false
    /// Where the last publication that came is in history; nil where nobody knows.
    var lastPosition: Position?
    /// The epoch of the last publication that a pass took; 0 where nobody knows.
    package var lastEpoch: UInt64 = 0
    /// What the next publication may be a delta of; nil where nobody takes deltas, or nothing is kept.
    package var base: DeltaBase?
    /// Those of subscribers here; nil where nobody filters.
    package var filters: ChannelFilters?
    /// Sessions that are not read from until the backlog is smaller again.
    package var paused: [Locator] = []
    /// What was seen of `nextSequence` by those who want to know how much is published.
    package var rate: ChannelRate

    /// - Parameter nextSequence: Where the numbers of publications begin; for tests.
    package init(
        name: ChannelName, index: UInt32, rule: ChannelRule, nextSequence: UInt64 = 0,
        now: MonotonicTime = MonotonicTime(nanoseconds: 0)
    ) {
        self.nextSequence = nextSequence
        rate = ChannelRate(sequence: nextSequence, now: now)
        self.name = name
        self.index = index
        self.rule = rule
        // Rules are for the channels of applications; what is for a user or for everybody is not to be lost.
        kind = name.isReserved ? .kept : rule.slow.kind
    }

    /// A reload gave it another rule. A pass that runs goes on as it began.
    func use(_ next: ChannelRule) {
        rule = next
        kind = name.isReserved ? .kept : next.slow.kind
    }

    /// Payload bytes one pass takes at the most (one publication is always taken).
    package static let batchBytes = 256 * 1024
    /// From here on local publishers are not read from any more.
    package static let pausingBytes = 1024 * 1024
    /// From here on the channel cannot be saved: its subscribers here are told that they lost something.
    package static let maximumBacklogBytes = 16 * 1024 * 1024

    /// What becomes of a batch: changes of presence are no publications, and whoever is told of some is told of all.
    package func kind(of batch: [Publication]) -> Outbound.Kind {
        batch.first?.extras?.change == nil ? kind : .kept
    }

    /// Takes what the next pass will send.
    package func takeBatch() -> (publications: [Publication], firstSequence: UInt64) {
        let first = nextSequence &- UInt64(truncatingIfNeeded: backlog.count)
        let most = filters == nil ? .max : ChannelFilters.batchPublications
        if backlogBytes <= Self.batchBytes, backlog.count <= most, kind == .kept || rule.presence?.announces != true {
            defer {
                backlog.removeAll(keepingCapacity: backlog.count <= 256)
                backlogBytes = 0
            }
            return (backlog, first)
        }
        var taken = 0
        var bytes = 0
        while taken < backlog.count {
            let size = backlog[taken].weight
            if taken > 0, bytes + size > Self.batchBytes || taken == most { break }
            // In a batch that may be dropped there is nothing that may not.
            if kind != .kept, (backlog[taken].extras?.change == nil) != (backlog[0].extras?.change == nil) { break }
            bytes += size
            taken += 1
        }
        let batch = Array(backlog[..<taken])
        backlog.removeFirst(taken)
        backlogBytes -= bytes
        return (batch, first)
    }
}

extension ChannelRule.Slow {
    fileprivate var kind: Outbound.Kind {
        switch self {
        case .disconnect: .kept
        case .dropOldest: .dropOldest
        case .latest: .latest
        }
    }
}
