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
        /// Grows with each change of the table.
        var generation: UInt64 = 0
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

    /// The list is made of a copy, which costs nothing under the lock.
    package var all: [Revocation] { state.withLock { $0.table }.all }

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
            state.generation &+= 1
            isIdle.store(false, ordering: .releasing)
            return true
        }
    }

    /// There was no room for a revocation somewhere else.
    package func noteRefusal() { state.withLock { $0.refused &+= 1 } }

    /// What came of reading everything.
    package struct Taken: Equatable, Sendable {
        /// Whether something was not known.
        package var isNews: Bool
        /// What is known here and was not kept.
        package var missing: [Revocation]
    }

    /// Everything that is kept for the cluster was read. Takes tens of milliseconds for 100,000 revocations, so it is not for reactors; the
    /// lock is not held meanwhile.
    ///
    /// - Parameter now: Seconds since 1970.
    package func take(_ kept: [Revocation], now: Int64) -> Taken {
        var read = RevocationTable()
        for revocation in kept where revocation.expiresAt > now { read.add(revocation) }
        while true {
            let (before, generation) = state.withLock { ($0.table, $0.generation) }
            var next = before
            next.expire(now: now)
            let missing = next.all.filter { !read.covers($0) }
            let news = read.all.filter { !next.covers($0) }
            // However many there are: none of them may be passed over.
            for revocation in news { next.add(revocation) }
            let isTaken = state.withLock { state in
                // Something was added meanwhile: that may not be lost.
                guard state.generation == generation else { return false }
                state.table = next
                state.generation &+= 1
                state.isRead = true
                isIdle.store(next.isEmpty, ordering: .releasing)
                return true
            }
            // The old table is let go of here, and not under the lock.
            if isTaken { return withExtendedLifetime(before) { Taken(isNews: !news.isEmpty, missing: missing) } }
        }
    }
}
