package import Reactor
import Synchronization

/// The one door for whoever wants to know what happens in a node: the event stream of the admin listener, and whatever tells
/// applications.
///
/// Each reactor gathers what happens there (`EventCollector`) and hands it on once a turn. A listener names the kinds it wants, and
/// only what somebody wants is gathered.
package final class NodeEvents: Sendable {
    struct Listening: Sendable {
        let id: UInt64
        let kinds: EventKinds
        let listener: any EventListener
    }

    private struct Listeners {
        var all: [Listening] = []
        var next: UInt64 = 1
    }

    /// Of each reactor.
    package let collectors: [EventCollector]
    private let reactors: [Reactor]
    private let listeners = Mutex(Listeners())
    /// Bytes of events that may wait for one listener, and of one turn of a reactor.
    package var maximumBytes: Int { mostBytes.load(ordering: .relaxed) }
    private let mostBytes: Atomic<Int>
    /// Events that listeners did not get because they did not keep up.
    let missed = Atomic<UInt64>(0)
    /// Streams of the admin listener that are open, and that were refused.
    let streams = Atomic(0)
    let streamsRefused = Atomic<UInt64>(0)

    package static let defaultBytes = 16 << 20

    package init(reactors: [Reactor], maximumBytes: Int = defaultBytes) {
        self.reactors = reactors
        mostBytes = Atomic(maximumBytes)
        collectors = reactors.map { _ in EventCollector(maximumBytes: maximumBytes) }
    }

    /// For listeners from now on; each reactor's collector takes it with the reactor's settings.
    func use(maximumBytes: Int) { mostBytes.store(maximumBytes, ordering: .relaxed) }

    package var listenerCount: Int { listeners.withLock { $0.all.count } }

    /// Adds a listener. When this returns, everything of these kinds that happens from then on is told.
    ///
    /// - Returns: What `remove` takes.
    package func add(_ listener: any EventListener, kinds: EventKinds) async -> UInt64 {
        let id = listeners.withLock { listeners in
            let id = listeners.next
            listeners.next += 1
            listeners.all.append(Listening(id: id, kinds: kinds, listener: listener))
            return id
        }
        for (reactor, collector) in zip(reactors, collectors) {
            await reactor.perform { self.review(collector) }
        }
        return id
    }

    /// A listener wants other kinds. When this returns, it is told of these and of no others.
    package func change(_ id: UInt64, to kinds: EventKinds) async {
        listeners.withLock { listeners in
            for (index, one) in listeners.all.enumerated() where one.id == id {
                listeners.all[index] = Listening(id: id, kinds: kinds, listener: one.listener)
            }
        }
        for (reactor, collector) in zip(reactors, collectors) {
            await reactor.perform { self.review(collector) }
        }
    }

    /// Removes a listener. It may be told something yet.
    package func remove(_ id: UInt64) {
        listeners.withLock { $0.all.removeAll { $0.id == id } }
        for (reactor, collector) in zip(reactors, collectors) { reactor.post { self.review(collector) } }
    }

    /// What counts is who listens now, whoever asked for the review.
    private func review(_ collector: EventCollector) { collector.listen(listeners.withLock { $0.all }) }
}
