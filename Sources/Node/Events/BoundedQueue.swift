import Synchronization

/// For somebody who takes things at its own pace: what waits is bounded, and what was too much is counted and told in its place.
///
/// Reactors put things in, under a lock of the length of an append; a task takes them.
package final class BoundedQueue<Element: Sendable>: Sendable {
    /// Some of them, and how many are missing behind them.
    package struct Batch: Sendable {
        package var elements: [Element]
        package var dropped = 0

        package var isEmpty: Bool { elements.isEmpty && dropped == 0 }
    }

    private struct State {
        var elements: [Element] = []
        /// Those before it were taken.
        var start = 0
        var bytes = 0
        var dropped = 0
        var isEnded = false
        var waiter: CheckedContinuation<Batch?, Never>?
    }

    private let state = Mutex(State())
    private let maximumBytes: Int
    private let batch: Int
    private let weight: @Sendable (Element) -> Int
    private let missed: @Sendable (Int) -> Void

    /// - Parameters:
    ///   - maximumBytes: What may wait, by weight.
    ///   - batch: How many are taken at once.
    ///   - weight: What one counts, in bytes.
    ///   - missed: Called with the number of those that were dropped, where they were put in.
    package init(
        maximumBytes: Int, batch: Int = 256, weight: @escaping @Sendable (Element) -> Int,
        missed: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.maximumBytes = maximumBytes
        self.batch = batch
        self.weight = weight
        self.missed = missed
    }

    package func append(_ element: Element) { append(CollectionOfOne(element)) }

    /// - Parameter dropped: How many are missing behind them already.
    package func append(_ elements: some Collection<Element>, dropped: Int = 0) {
        let (waiter, batch, here) = state.withLock { state -> (CheckedContinuation<Batch?, Never>?, Batch?, Int) in
            guard !state.isEnded else { return (nil, nil, 0) }
            var here = 0
            for element in elements {
                let weight = weight(element)
                // From the first one that is dropped on, until whoever reads has come to that place.
                guard state.dropped == 0, state.bytes + weight <= maximumBytes else {
                    here += 1
                    state.dropped += 1
                    continue
                }
                state.bytes += weight
                state.elements.append(element)
            }
            state.dropped += dropped
            guard let waiter = state.waiter, let batch = take(&state) else { return (nil, nil, here) }
            state.waiter = nil
            return (waiter, batch, here)
        }
        if here > 0 { missed(here) }
        waiter?.resume(returning: batch)
    }

    /// The next ones, when there are some. One reader at a time.
    ///
    /// - Returns: Nil when it was ended.
    package func next() async -> Batch? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let batch = state.withLock { state -> Batch?? in
                    if let batch = take(&state) { return .some(batch) }
                    if state.isEnded { return .some(nil) }
                    state.waiter = continuation
                    return nil
                }
                if let batch { continuation.resume(returning: batch) }
            }
        } onCancel: {
            end()
        }
    }

    /// Whoever waits gets an empty batch.
    package func remind() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: Batch(elements: []))
    }

    /// Nothing more is taken in; whoever waits is told.
    package func end() {
        let waiter = state.withLock { state in
            state.isEnded = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: nil)
    }

    private func take(_ state: inout State) -> Batch? {
        let rest = state.elements[state.start...]
        guard !rest.isEmpty || state.dropped > 0 else { return nil }
        var batch = Batch(elements: Array(rest.prefix(self.batch)))
        state.start += batch.elements.count
        for element in batch.elements { state.bytes -= weight(element) }
        guard state.start == state.elements.count else { return batch }
        state.elements = []
        state.start = 0
        batch.dropped = state.dropped
        state.dropped = 0
        return batch
    }
}
