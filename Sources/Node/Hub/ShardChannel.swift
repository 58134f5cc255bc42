package import Codec

/// A channel as one reactor sees it: who is subscribed here, and what waits for them.
package final class ShardChannel {
    package enum Interest {
        /// Asked for; nobody is told "subscribed" yet.
        case opening
        /// Everything published from now on arrives here.
        case held
    }

    /// A session that waits for the interest to be confirmed.
    package struct Waiting {
        package let slot: UInt32
        package let generation: UInt32
        /// The command to answer, in dialects that have commands.
        package let command: UInt32
    }

    package let name: ChannelName
    package let index: UInt32
    package let rule: ChannelRule
    /// What becomes of its publications where a subscriber does not keep up.
    package let kind: Outbound.Kind
    /// How often a subscriber here did not get a publication because it did not keep up.
    package var dropped: UInt64 = 0
    /// Tells event streams so; made when it is needed.
    package var notice: Block?
    package var interest = Interest.opening
    package var waiting: [Waiting] = []
    /// The reactor's count of channels given up when this one was asked for.
    package var leavesAtJoin: UInt64 = 0

    /// One roster per variant.
    package let rosters: UnsafeMutablePointer<Roster>
    /// Sessions that are in a roster or wait to be.
    package var subscribers = 0

    /// Publications no pass has taken yet, oldest first.
    package var backlog: [Publication] = []
    /// Payload bytes in `backlog`.
    package var backlogBytes = 0
    /// The number that the next publication to arrive will get. Wraps.
    package var nextSequence: UInt32 = 0
    package var pass: Pass?
    package var isQueued = false
    /// Sessions that are not read from until the backlog is smaller again.
    package var paused: [Locator] = []

    package init(name: ChannelName, index: UInt32, rule: ChannelRule) {
        self.name = name
        self.index = index
        self.rule = rule
        // Rules are for the channels of applications; what is for a user or for everybody is not to be lost.
        kind = name.isReserved ? .kept : rule.slow.kind
        rosters = .allocate(capacity: Variant.allCases.count)
        for variant in Variant.allCases { (rosters + Int(variant.rawValue)).initialize(to: Roster()) }
    }

    deinit {
        notice?.release()
        pass?.deinitialize()
        for variant in Variant.allCases { rosters[Int(variant.rawValue)].deinitialize() }
        rosters.deallocate()
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
    package func takeBatch() -> (publications: [Publication], firstSequence: UInt32) {
        let first = nextSequence &- UInt32(truncatingIfNeeded: backlog.count)
        if backlogBytes <= Self.batchBytes, kind == .kept || rule.presence?.announces != true {
            defer {
                backlog.removeAll(keepingCapacity: backlog.count <= 256)
                backlogBytes = 0
            }
            return (backlog, first)
        }
        var taken = 0
        var bytes = 0
        while taken < backlog.count {
            let size = backlog[taken].payload.count
            if taken > 0, bytes + size > Self.batchBytes { break }
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
