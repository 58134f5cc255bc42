import Reactor

/// Whoever wants to know what happens in a node.
package protocol EventListener: AnyObject, Sendable {
    /// What happened on one reactor in one turn, in order, of the kinds the listener wants. Called on that reactor, so it must not
    /// wait; different reactors call at the same time.
    ///
    /// - Parameter dropped: Events of that turn that came after these and were too many to be collected.
    func happened(_ events: [NodeEvent], dropped: Int)
}

/// What happens on one reactor, gathered until the end of the turn. On that reactor only.
///
/// While nobody listens it costs one branch for each thing that happens: `wants` is asked before anything about an event is
/// looked up or allocated.
package final class EventCollector: @unchecked Sendable {
    package struct Counters: Sendable {
        package var collected: UInt64 = 0
        /// Beyond the limit of one turn.
        package var dropped: UInt64 = 0
    }

    private(set) var wanted: EventKinds = []
    private var listeners: [NodeEvents.Listening] = []
    private var events: [NodeEvent] = []
    /// The kinds of what was gathered.
    private var kinds: EventKinds = []
    private var bytes = 0
    private var dropped = 0
    /// Bytes that one turn may gather.
    var maximumBytes: Int
    package private(set) var counters = Counters()

    /// Room for so many is kept from turn to turn.
    private static let kept = 1024

    package init(maximumBytes: Int = NodeEvents.defaultBytes) { self.maximumBytes = maximumBytes }

    /// Whether somebody listens to any of these.
    @inline(__always)
    package func wants(_ kinds: EventKinds) -> Bool { !wanted.isDisjoint(with: kinds) }

    /// Something happened that somebody wants to know.
    package func append(_ event: NodeEvent) {
        let weight = event.weight
        // What comes after something that was dropped is dropped too: so it is known where something is missing.
        guard dropped == 0, bytes + weight <= maximumBytes else {
            dropped += 1
            counters.dropped &+= 1
            return
        }
        counters.collected &+= 1
        bytes += weight
        kinds.formUnion(event.kind)
        events.append(event)
    }

    /// The turn is over.
    package func flush() {
        guard !events.isEmpty || dropped > 0 else { return }
        for one in listeners {
            if one.kinds.isSuperset(of: kinds) {
                one.listener.happened(events, dropped: dropped)
            } else {
                let wanted = events.filter { one.kinds.contains($0.kind) }
                if !wanted.isEmpty || dropped > 0 { one.listener.happened(wanted, dropped: dropped) }
            }
        }
        events.removeAll(keepingCapacity: events.count <= Self.kept)
        kinds = []
        bytes = 0
        dropped = 0
    }

    /// From now on these listen. What was gathered before is told to those who listened then.
    func listen(_ listeners: [NodeEvents.Listening]) {
        flush()
        self.listeners = listeners
        wanted = listeners.reduce(into: []) { $0.formUnion($1.kinds) }
    }
}
