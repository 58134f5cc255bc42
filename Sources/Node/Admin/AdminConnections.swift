import HummingbirdCore
import Synchronization

/// How many connections the admin listener has at once; more wait until one ends.
struct AdminConnections: AvailableConnectionsDelegate {
    /// For the metrics.
    final class Count: Sendable {
        let open = Atomic(0)
        /// Times the listener stopped accepting.
        let limitHits = Atomic<UInt64>(0)
        /// How many there may be: `admin.connections`.
        let limit: Atomic<Int>

        init(limit: Int) { self.limit = Atomic(limit) }
    }

    let count: Count

    func connectionOpened() { count.open.add(1, ordering: .relaxed) }

    func connectionClosed() { count.open.subtract(1, ordering: .relaxed) }

    func isAcceptingNewConnections() -> Bool {
        if count.open.load(ordering: .relaxed) < count.limit.load(ordering: .relaxed) { return true }
        count.limitHits.add(1, ordering: .relaxed)
        return false
    }
}
