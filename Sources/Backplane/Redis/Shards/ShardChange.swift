package import Codec
package import Reactor

/// What to do next about the servers among which the channels are divided. Pure: it is told what the nodes say and what time it is.
///
/// All nodes know where they stand (`ShardStanding`). The first of them by its id carries a change on, step by step, and each step waits until
/// every node that is alive has done its part. A node that does not is waited for until it counts as dead; meanwhile nothing moves.
package struct ShardChange {
    /// One node.
    package struct Node: Equatable, Sendable {
        package let id: NodeID
        package let name: String
        package let heard: MonotonicTime
        /// Nil when it has not said it, as a node of an earlier version.
        package let standing: ShardStanding?

        package init(id: NodeID, name: String, heard: MonotonicTime, standing: ShardStanding?) {
            self.id = id
            self.name = name
            self.heard = heard
            self.standing = standing
        }
    }

    package enum Step: Equatable, Sendable {
        case nothing
        /// This is the plan from now on.
        case use(ShardPlan)
        /// What the moving partitions have is to be copied.
        case copy
    }

    /// How long all nodes have to agree before a change begins: each is heard every second.
    package static let agreement: Duration = .seconds(5)
    /// How long the nodes may take for one step before it is taken back. Publications wait meanwhile.
    package static let patience: Duration = .seconds(2)
    /// Without a sign of life for this long, the next node takes back what the first one has begun.
    package static let silence: Duration = .milliseconds(2500)
    /// How long after an interruption it goes on, and after what was to be copied could not be.
    package static let pause: Duration = .seconds(1)
    package static let failurePause: Duration = .seconds(10)

    package private(set) var plan: ShardPlan
    private var planDigest: UInt64
    /// The servers that this node is to use, by their names.
    package let target: [[UInt8]]
    private let targetDigest: UInt64
    private let born: MonotonicTime
    private var since: MonotonicTime
    private var notBefore: MonotonicTime
    /// Since when the same nodes have agreed on the next change.
    private var agreed: (nodes: [NodeID], since: MonotonicTime)?
    /// What is copied was begun, and is done.
    private var isCopying = false
    private var isCopied = false
    /// What a change waits for, for people; nil when none is wanted.
    package private(set) var waiting: String?

    package init(_ plan: ShardPlan, target: [[UInt8]], now: MonotonicTime) {
        self.plan = plan
        planDigest = plan.digest
        self.target = ShardPlan.sorted(target)
        targetDigest = Self.digest(self.target)
        born = now
        since = now
        notBefore = now
    }

    private static func digest(_ names: [[UInt8]]) -> UInt64 {
        ShardPlan.digest(Array(names.joined(separator: [UInt8(ascii: "\n")])))
    }

    /// Another plan counts.
    package mutating func use(_ next: ShardPlan, now: MonotonicTime) {
        plan = next
        planDigest = next.digest
        since = now
        notBefore = now + Self.pause
        isCopying = false
        isCopied = false
        agreed = nil
    }

    /// What was to be copied is in place, or is not.
    package mutating func copied(_ isDone: Bool, now: MonotonicTime) {
        isCopying = false
        isCopied = isDone
    }

    /// Something could not be copied, so it is not tried again at once.
    package mutating func rest(now: MonotonicTime) { notBefore = now + Self.failurePause }

    /// What this node says to the others.
    package func standing(isReady: Bool, isWhole: Bool) -> ShardStanding {
        ShardStanding(
            generation: plan.generation, digest: planDigest, target: targetDigest, isReady: isReady, isWhole: isWhole)
    }

    /// Whether somebody follows a plan that counts more, or may.
    package func isBehind(_ standing: ShardStanding) -> Bool {
        standing.generation > plan.generation
            || standing.generation == plan.generation && standing.digest != planDigest
    }

    // MARK: Deciding

    /// - Parameters:
    ///   - own: This node.
    ///   - others: All others that are alive.
    package mutating func step(own: Node, others: [Node], now: MonotonicTime) -> Step {
        let nodes = [own] + others
        // A node that has just come has not heard the others yet, and would believe that it is alone.
        let isFirst = now - born > NodeRegistry.lease && others.allSatisfy { $0.id.value > own.id.value }
        if plan.isSettled { return begin(nodes, own.id, isFirst: isFirst, now: now) }
        if plan.moving.isEmpty {
            waiting = behind(nodes) ?? partial(nodes)
            return waiting == nil && isFirst && now >= notBefore ? .use(plan.continued(by: own.id)) : .nothing
        }
        waiting = nil
        guard isFirst else {
            // The first one has gone, perhaps: whoever publishes is not to wait until that is certain.
            let awake = others.filter { now - $0.heard <= Self.silence }
            let isNext = awake.allSatisfy { $0.id.value > own.id.value }
            return isNext && now - since > Self.silence ? .use(plan.interrupted(by: own.id)) : .nothing
        }
        // To copy takes the servers that partitions leave or come to; before that, all of them are to know of it.
        let isReady = nodes.allSatisfy { node in
            isAtPlan(node) && node.standing.map { $0.isReady && ($0.isWhole || plan.phase == .copy) } ?? false
        }
        switch plan.phase {
        case .stop where isReady: return .use(plan.stopped(by: own.id))
        case .copy where isReady && isCopied: return .use(plan.copied(by: own.id))
        // Servers tell who may write by the plan alone, and whoever made it may be copying yet.
        case .copy where isReady && plan.maker != own.id: return .use(plan.interrupted(by: own.id))
        case .copy where isReady && !isCopying:
            isCopying = true
            return .copy
        default: return !isReady && now - since > Self.patience ? .use(plan.interrupted(by: own.id)) : .nothing
        }
    }

    /// Whether a change begins.
    private mutating func begin(_ nodes: [Node], _ own: NodeID, isFirst: Bool, now: MonotonicTime) -> Step {
        guard target != plan.from || nodes.contains(where: { $0.standing?.target != targetDigest })
        else {
            waiting = nil
            agreed = nil
            return .nothing
        }
        let others = nodes.filter { $0.standing?.target != targetDigest }
        let silent = nodes.filter { $0.standing == nil }
        if !silent.isEmpty {
            waiting =
                "\(Self.list(silent)) \(silent.count == 1 ? "does" : "do") not divide the channels among several servers, so not all of what is published is heard there: give all nodes the same servers, or another backplane.redis.prefix"
        } else if !others.isEmpty {
            waiting = "\(Self.list(others)) \(others.count == 1 ? "has" : "have") another list"
        } else {
            waiting = behind(nodes) ?? partial(nodes)
        }
        guard waiting == nil, now >= notBefore else {
            agreed = nil
            return .nothing
        }
        let ids = nodes.map(\.id).sorted { $0.value < $1.value }
        guard let known = agreed, known.nodes == ids else {
            agreed = (ids, now)
            return .nothing
        }
        return isFirst && now - known.since >= Self.agreement ? .use(plan.changed(to: target, by: own)) : .nothing
    }

    private func isAtPlan(_ node: Node) -> Bool {
        node.standing.map { $0.generation == plan.generation && $0.digest == planDigest } ?? false
    }

    /// Nodes that do not know the plan yet.
    private func behind(_ nodes: [Node]) -> String? {
        let behind = nodes.filter { !isAtPlan($0) }
        return behind.isEmpty ? nil : "\(Self.list(behind)) \(behind.count == 1 ? "does" : "do") not answer yet"
    }

    /// Nodes that are not linked through all servers.
    private func partial(_ nodes: [Node]) -> String? {
        let partial = nodes.filter { !($0.standing?.isWhole ?? false) }
        return partial.isEmpty
            ? nil
            : "\(Self.list(partial)) \(partial.count == 1 ? "is" : "are") not linked through all servers of both lists"
    }

    private static func list(_ nodes: [Node]) -> String {
        let names = nodes.map(\.name).sorted()
        let rest = names.count > 5 ? " and \(names.count - 5) more" : ""
        return "\(nodes.count == 1 ? "node" : "nodes") \(names.prefix(5).joined(separator: ", "))\(rest)"
    }
}
