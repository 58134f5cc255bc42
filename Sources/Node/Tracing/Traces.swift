import Codec
import Reactor
import Synchronization

/// The sessions of this node that are traced: so many at a time, each for so long, and only while somebody reads.
///
/// Whoever wants to see a trace, on this node or another, asks for its next part again and again; what is not asked for waits in a
/// bounded queue, and a trace that nobody asks for ends.
package final class Traces: Sendable {
    private struct Running {
        let trace: SessionTrace
        let queue: BoundedQueue<SessionTrace.Item>
        let until: MonotonicTime
        var asked: MonotonicTime
        /// One reader at a time.
        var isRead = false
    }

    private struct State {
        var running: [UInt64: Running] = [:]
        /// Those that are being begun.
        var beginning = 0
        var random = SystemRandomNumberGenerator()
    }

    private let state = Mutex(State())
    private let counters: StreamCounters

    /// How long one may run, in seconds.
    package static let maximumSeconds = 300
    /// How long one goes on that nobody asks for.
    static let patience: Duration = .seconds(5)
    /// How long whoever asks waits for something: less than a question may take.
    static let wait: Duration = .seconds(1)
    /// Bytes that may wait.
    private static let queueBytes = 1 << 20

    init(_ counters: StreamCounters) { self.counters = counters }

    package var count: Int { state.withLock { $0.running.count } }

    /// - Parameters:
    ///   - limit: How many there may be.
    /// - Returns: The number by which it is asked for.
    func begin(
        _ id: SessionID, on shard: Shard?, seconds: Int, limit: Int, perSecond: Int, shown: Int
    ) async -> Result<UInt64, TraceRefusal> {
        guard let shard else { return .failure(.unknown) }
        let hasRoom = state.withLock { state in
            guard state.running.count + state.beginning < limit else { return false }
            state.beginning += 1
            return true
        }
        guard hasRoom else {
            counters.tracesRefused.add(1, ordering: .relaxed)
            return .failure(.tooMany)
        }
        let counters = counters
        let leftOut: @Sendable (Int) -> Void = { counters.traceLeftOut.add(UInt64(clamping: $0), ordering: .relaxed) }
        let queue = BoundedQueue<SessionTrace.Item>(
            maximumBytes: Self.queueBytes, weight: { $0.weight }, missed: leftOut)
        let trace = await shard.reactor.perform {
            shard.trace(id, queue: queue, perSecond: perSecond, shown: shown, leftOut: leftOut)
        }
        let now = MonotonicTime.now()
        let number = state.withLock { state -> UInt64? in
            state.beginning -= 1
            guard let trace else { return nil }
            var number: UInt64
            repeat { number = state.random.next() } while state.running[number] != nil
            state.running[number] = Running(
                trace: trace, queue: queue, until: now + .seconds(Int64(max(1, min(seconds, Self.maximumSeconds)))),
                asked: now)
            return number
        }
        guard let number else { return .failure(.unknown) }
        Task { await self.watch(number, on: shard) }
        return .success(number)
    }

    /// Ends it in time, and forgets it when nobody asks for it any more.
    private func watch(_ number: UInt64, on shard: Shard) async {
        while true {
            try? await Task.sleep(for: .milliseconds(250))
            let now = MonotonicTime.now()
            let (trace, isForgotten) = state.withLock { state -> (SessionTrace?, Bool) in
                guard let running = state.running[number] else { return (nil, true) }
                if !running.isRead, now - running.asked > Self.patience {
                    state.running[number] = nil
                    return (running.trace, true)
                }
                return (running.until <= now ? running.trace : nil, false)
            }
            if let trace { shard.reactor.post { shard.context.remove(trace, "time") } }
            if isForgotten { return }
        }
    }

    /// The next part of a trace, when there is one or a second is over.
    ///
    /// - Parameter limit: Bytes of a message that are shown.
    /// - Returns: Nil for one that is not there, or that somebody else is reading.
    func next(_ number: UInt64, limit: Int) async -> [TraceItem]? {
        let running = state.withLock { state -> Running? in
            guard let running = state.running[number], !running.isRead else { return nil }
            state.running[number]?.isRead = true
            return running
        }
        guard let running else { return nil }
        let reminder = Task {
            try await Task.sleep(for: Self.wait)
            running.queue.remind()
        }
        let batch = await running.queue.next()
        reminder.cancel()
        var items: [TraceItem] = []
        if let batch {
            let reading = TraceReading(running.trace.variant, limit: limit)
            items = batch.elements.map(reading.item)
            if batch.dropped > 0 { items.append(.leftOut(LeftOut(count: Count(batch.dropped)))) }
        }
        let isOver = batch == nil || items.contains { if case .ended = $0 { true } else { false } }
        state.withLock { state in
            state.running[number]?.isRead = false
            state.running[number]?.asked = .now()
            if isOver { state.running[number] = nil }
        }
        return items
    }

    /// Nobody reads it any more.
    func end(_ number: UInt64, on shards: [Shard]) {
        let running = state.withLock { $0.running.removeValue(forKey: number) }
        guard let trace = running?.trace else { return }
        for shard in shards { shard.reactor.post { shard.context.remove(trace, "left") } }
    }
}
