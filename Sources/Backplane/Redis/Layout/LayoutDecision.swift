package import Codec
package import Reactor

/// Which layout a cluster has. Pure: it is told what is stored, what is heard and what time it is.
///
/// The layout is stored in Redis, and whoever stores it first decides. A node that finds nothing there looks for nodes of the
/// version before, which store nothing and whose beats say no layout: as long as there is one, everybody uses its layout. A
/// node that is alone, or that hears no such beat for a while, begins the present one.
package struct LayoutDecision {
    package enum Step: Equatable, Sendable {
        /// Ask again what is stored, in a moment.
        case askAgain
        /// Store this, unless something is stored.
        case store(RedisLayout)
        case use(RedisLayout)
        /// The server cannot be used.
        case refuse(String)
    }

    /// In a beat of a node that does not know it yet.
    package static let undecided: UInt8 = 3
    /// Beats of others come every second.
    package static let patience: Duration = .milliseconds(2500)

    /// The layout of the cluster, as far as it is known.
    package private(set) var layout: RedisLayout?
    /// Why the layout could not be looked up or stored; then the node goes on as well as it can.
    package private(set) var objection: String?
    /// The one whose names are in use; nil until it is known.
    package private(set) var inUse: RedisLayout?
    private var evidence: RedisLayout?
    private var isAlone = false
    private var since: MonotonicTime?
    private var hasCounted = false

    package init() {}

    /// What this node's beats say.
    package var announced: UInt8 { layout?.rawValue ?? Self.undecided }

    /// There is no question: only this one is possible.
    package mutating func settle(_ only: RedisLayout) {
        layout = only
        inUse = only
    }

    package enum Change: Equatable, Sendable { case first, same, other }

    /// Its names are used from now on.
    package mutating func use(_ next: RedisLayout) -> Change {
        defer { inUse = next }
        return inUse.map { $0 == next ? .same : .other } ?? .first
    }

    /// A new connection: what was counted on another one says nothing.
    package mutating func connected() {
        isAlone = false
        since = nil
        hasCounted = false
        objection = nil
    }

    /// Whether those who hear this node are to be counted now. True once for each connection, when nothing is stored.
    package mutating func isToCount() -> Bool {
        guard layout == nil, since != nil, !hasCounted else { return false }
        hasCounted = true
        return true
    }

    /// What Redis said to `GET PREFIX:layout`.
    package mutating func stored(_ value: RESPValue, now: MonotonicTime) -> Step {
        switch value {
        case .bulk(let text?):
            guard let known = RedisLayout(stored: text) else { return .refuse("it names no layout of this version") }
            layout = known
            return .use(known)
        case .bulk(nil):
            if let known = layout ?? evidence { return .store(known) }
            let begin = since ?? now
            since = begin
            return isAlone || now - begin >= Self.patience ? .store(.partitioned) : .askAgain
        case .error(let text) where text.hasPrefix("NOPERM") || text.hasPrefix("ERR unknown command"):
            // The permissions are those of the version before, and so are the names that they allow.
            objection = text
            let known = layout ?? .flat
            layout = known
            return .use(known)
        case .error(let text): return .refuse(text)
        default: return .refuse("Redis sent an unexpected reply")
        }
    }

    /// What Redis said to `SET PREFIX:layout … NX`.
    package mutating func stored(_ chosen: RedisLayout, _ value: RESPValue) -> Step {
        switch value {
        case .bulk(nil):
            // Somebody else was faster, and that counts.
            return .askAgain
        case .error(let text): objection = text
        default: break
        }
        layout = chosen
        return .use(chosen)
    }

    /// So many heard a beat of this node, itself included.
    package mutating func counted(_ receivers: Int64) -> Step? {
        guard layout == nil, receivers == 1 else { return nil }
        isAlone = true
        return .store(evidence ?? .partitioned)
    }

    /// Another node's beat.
    ///
    /// - Returns: Whether it uses another layout than this node.
    package mutating func heard(_ announced: UInt8) -> Bool {
        // A node of the version before says nothing, which is 0.
        guard let other = announced == 0 ? .flat : RedisLayout(rawValue: announced) else { return false }
        if let layout { return layout != other }
        // Whoever cannot change counts more.
        if evidence != .flat { evidence = other }
        return false
    }
}
