import Backplane
package import Codec
package import Reactor

/// Which questions of other nodes this node answers, and when: questions come from Redis, so from anybody who may
/// publish there, as often as they like. Pure: it is told what came and what time it is.
package struct QuestionGate {
    /// What an answer costs.
    package enum Cost: Sendable {
        /// One session or one channel is looked up.
        case lookup
        /// All sessions or all channels are walked over, on every reactor.
        case walk
    }

    package enum Verdict: Equatable, Sendable {
        case answer
        /// Its turn comes when a walk is over: see `finished`.
        case wait
        case refuse
    }

    /// Questions of one node in a second.
    package static let perNode = 2_000
    /// Questions of all nodes in a second.
    package static let perSecond = 10_000
    /// Questions in a second of nodes whose beats were not heard: the first questions of those that just came.
    package static let ofStrangers = 10
    /// Walks at a time. Each lets a reactor do other work before the next one begins there.
    package static let maximumWalks = 1
    /// Walks that wait for their turn. Whoever asks waits for 2 s, and a walk takes milliseconds.
    package static let maximumWaiting = 128

    private var second: UInt64 = 0
    private var total = 0
    private var strangers = 0
    /// By node, in this second; not more than `perSecond` of them.
    private var counts: [NodeID: Int] = [:]
    private var walks = 0
    private var waiting = 0
    package private(set) var refused: UInt64 = 0

    private let perNode: Int
    private let perSecond: Int

    package init(perNode: Int = Self.perNode, perSecond: Int = Self.perSecond) {
        self.perNode = perNode
        self.perSecond = perSecond
    }

    /// A question came.
    package mutating func asked(
        by node: NodeID, isStranger: Bool, cost: Cost, now: MonotonicTime
    ) -> Verdict {
        let verdict = decide(node, isStranger, cost, now)
        if verdict == .refuse { refused &+= 1 }
        return verdict
    }

    private mutating func decide(
        _ node: NodeID, _ isStranger: Bool, _ cost: Cost, _ now: MonotonicTime
    ) -> Verdict {
        let current = now.nanoseconds / 1_000_000_000
        if current != second {
            second = current
            total = 0
            strangers = 0
            counts.removeAll(keepingCapacity: true)
        }
        guard total < perSecond else { return .refuse }
        if isStranger {
            guard strangers < Self.ofStrangers else { return .refuse }
            strangers += 1
        } else {
            guard counts[node, default: 0] < perNode else { return .refuse }
            counts[node, default: 0] += 1
        }
        total += 1
        guard cost == .walk else { return .answer }
        if walks < Self.maximumWalks {
            walks += 1
            return .answer
        }
        guard waiting < Self.maximumWaiting else { return .refuse }
        waiting += 1
        return .wait
    }

    /// A question was not answered for another reason.
    package mutating func gaveUp() { refused &+= 1 }

    /// What follows when a walk is over.
    package enum Finished: Sendable {
        /// The one that has waited for longest begins.
        case next
        case rest
    }

    /// A walk is over.
    package mutating func finished() -> Finished {
        guard waiting > 0 else {
            walks = max(0, walks - 1)
            return .rest
        }
        waiting -= 1
        return .next
    }
}
