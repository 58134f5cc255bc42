import Synchronization

/// How many clients the node has room for: one count for all its reactors, because open files are the process's.
package final class Admission: Sendable {
    package let limit: Int
    private let connections = Atomic<Int>(0)

    package init(limit: Int) { self.limit = limit }

    package var hasRoom: Bool { connections.load(ordering: .relaxed) < limit }

    package func entered() { connections.add(1, ordering: .relaxed) }

    package func left() { connections.subtract(1, ordering: .relaxed) }
}
