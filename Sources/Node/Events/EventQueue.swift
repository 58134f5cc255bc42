/// A listener for somebody who takes events at its own pace.
package typealias EventQueue = BoundedQueue<NodeEvent>

extension BoundedQueue: EventListener where Element == NodeEvent {
    /// - Parameters:
    ///   - maximumBytes: What may wait, by `NodeEvent.weight`.
    ///   - missed: Called with the number of events that were dropped, on the reactor where they happened.
    package convenience init(maximumBytes: Int, missed: @escaping @Sendable (Int) -> Void = { _ in }) {
        self.init(maximumBytes: maximumBytes, weight: { $0.weight }, missed: missed)
    }

    package func happened(_ events: [NodeEvent], dropped: Int) { append(events, dropped: dropped) }
}

extension BoundedQueue.Batch where Element == NodeEvent {
    package var events: [NodeEvent] { elements }
}
