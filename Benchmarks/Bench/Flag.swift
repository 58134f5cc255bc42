import Reactor
import Synchronization

/// Something that happens once, on a reactor, and when it did.
final class Flag: Sendable {
    private let nanoseconds = Atomic<UInt64>(0)

    func raise() { nanoseconds.store(MonotonicTime.now().nanoseconds, ordering: .releasing) }

    var isRaised: Bool { nanoseconds.load(ordering: .acquiring) != 0 }

    var time: MonotonicTime { MonotonicTime(nanoseconds: nanoseconds.load(ordering: .acquiring)) }
}
