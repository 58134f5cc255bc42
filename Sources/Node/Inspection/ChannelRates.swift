import Reactor
import Synchronization

/// Looks at the numbers of a node's channels once a second, while somebody wants to know their rates.
///
/// The walk is cut into slices, between which the reactors serve their sessions. While nobody asks, nothing is done.
package final class ChannelRates: Sendable {
    private struct State {
        var wantedUntil = MonotonicTime.now()
        var isRunning = false
    }

    private let shards: [Shard]
    private let state = Mutex(State())

    /// How long it goes on after the last question.
    package static let patience: Duration = .seconds(15)
    /// Between the first two looks: whoever asks first waits for it.
    package static let first: Duration = .milliseconds(250)
    private static let interval: Duration = .seconds(1)

    init(_ shards: [Shard]) { self.shards = shards }

    /// Somebody wants to know rates.
    func want() {
        let begins = state.withLock { state in
            state.wantedUntil = .now() + Self.patience
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if begins { Task { await self.run() } }
    }

    private func run() async {
        await look()
        try? await Task.sleep(for: Self.first)
        repeat {
            await look()
            try? await Task.sleep(for: Self.interval)
        } while goesOn()
    }

    private func goesOn() -> Bool {
        state.withLock { state in
            state.isRunning = MonotonicTime.now() < state.wantedUntil
            return state.isRunning
        }
    }

    private func look() async {
        for shard in shards {
            var next: Int? = 0
            while let start = next { next = await shard.reactor.perform { shard.lookAtRates(from: start) } }
        }
    }
}

extension Shard {
    /// Channels between two looks at the sockets.
    static var sliceChannels: Int { 1024 }

    /// Looks at some channels.
    ///
    /// - Returns: Where to go on; nil when all were looked at.
    func lookAtRates(from start: Int) -> Int? {
        let end = min(channels.byIndex.count, start + Self.sliceChannels)
        guard start < end else { return nil }
        for index in start..<end {
            guard let channel = channels.byIndex[index] else { continue }
            channel.rate.look(channel.nextSequence, now: reactor.now)
        }
        return end
    }
}
