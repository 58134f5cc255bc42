package import Codec
import Synchronization

/// Which tokens are revoked, for all threads of a node. Reactors ask it at every login with a token: a lookup under a lock that nobody
/// holds for longer, and less than that while nothing is revoked.
package final class Revocations: Sendable {
    package enum Verdict: Sendable {
        case accepted
        case revoked
        /// What is revoked was not read yet.
        case unknown
    }

    private struct State {
        var table = RevocationTable()
        var limit: Int
        var isRead: Bool
        var refused: UInt64 = 0
    }

    private let state: Mutex<State>
    /// What is revoked was read, and that is nothing.
    private let isIdle: Atomic<Bool>

    /// - Parameter isRead: Whether there is nothing to be read: a node without Redis keeps what is revoked itself.
    package init(limit: Int = 100_000, isRead: Bool = true) {
        state = Mutex(State(limit: limit, isRead: isRead))
        isIdle = Atomic(isRead)
    }

    /// Whether a token may be accepted, apart from what it says itself.
    @inline(__always)
    package func verdict(on token: TokenMark) -> Verdict {
        if isIdle.load(ordering: .acquiring) { return .accepted }
        return state.withLock { state in
            if state.table.revokes(token) { return .revoked }
            return state.isRead ? .accepted : .unknown
        }
    }

    package func revokes(_ token: TokenMark) -> Bool {
        if isIdle.load(ordering: .acquiring) { return false }
        return state.withLock { $0.table.revokes(token) }
    }

    /// Whether everything that is revoked is known.
    package var isRead: Bool { state.withLock { $0.isRead } }

    package var count: Int { state.withLock { $0.table.count } }
    /// How often a revocation was refused because there are too many.
    package var refused: UInt64 { state.withLock { $0.refused } }
    package var limit: Int { state.withLock { $0.limit } }

    package func use(limit: Int) { state.withLock { $0.limit = limit } }

    func isKnown(_ subject: Revocation.Subject) -> Bool { state.withLock { $0.table.contains(subject) } }

    package var all: [Revocation] { state.withLock { $0.table.all } }

    /// Adds a revocation.
    ///
    /// - Returns: False when there is no room for it: nothing has changed.
    package func add(_ revocation: Revocation) -> Bool {
        state.withLock { state in
            guard state.table.contains(revocation.subject) || state.table.count < state.limit else {
                state.refused &+= 1
                return false
            }
            state.table.add(revocation)
            isIdle.store(false, ordering: .releasing)
            return true
        }
    }

    /// There was no room for a revocation somewhere else.
    package func noteRefusal() { state.withLock { $0.refused &+= 1 } }

    /// Everything that is kept for the cluster was read.
    ///
    /// - Parameter now: Seconds since 1970.
    /// - Returns: Whether something of it was not known, and what is known here and was not kept.
    package func take(_ kept: [Revocation], now: Int64) -> (isNews: Bool, missing: [Revocation]) {
        var read = RevocationTable()
        for revocation in kept where revocation.expiresAt > now { read.add(revocation) }
        return state.withLock { state in
            state.table.expire(now: now)
            let missing = state.table.all.filter { !read.covers($0) }
            let news = read.all.filter { !state.table.covers($0) }
            // However many there are: none of them may be passed over.
            for revocation in news { state.table.add(revocation) }
            state.isRead = true
            isIdle.store(state.table.isEmpty, ordering: .releasing)
            return (!news.isEmpty, missing)
        }
    }
}
