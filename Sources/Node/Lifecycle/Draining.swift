import Logging
import Reactor
import Synchronization

/// How far a node is on its way out.
package final class Draining: Sendable {
    package enum Phase: String, Codable, Sendable {
        case serving
        /// It says that it is not ready, and waits until balancers have noticed.
        case waiting
        /// It takes no new clients, and those who are there leave.
        case leaving
        case drained
    }

    private struct State {
        var phase = Phase.serving
        var isHurried = false
    }

    private let state = Mutex(State())

    package init() {}

    package var phase: Phase { state.withLock { $0.phase } }
    package var isHurried: Bool { state.withLock { $0.isHurried } }

    /// - Returns: Whether it has just begun; it was under way already, otherwise.
    func begin() -> Bool {
        state.withLock { state in
            guard state.phase == .serving else { return false }
            state.phase = .waiting
            return true
        }
    }

    func entered(_ phase: Phase) { state.withLock { $0.phase = phase } }

    /// Somebody does not want to wait.
    package func hurry() { state.withLock { $0.isHurried = true } }
}

extension RunningNode {
    /// How often it is looked whether everybody has left.
    private static let glance: Duration = .milliseconds(50)

    package var sessionCount: Int {
        get async {
            var count = 0
            for shard in shards { count += await shard.reactor.perform { shard.sessionCount } }
            return count
        }
    }

    /// Lets all sessions go, in good order: not ready first, then no new clients, then those who are there, spread over
    /// `drain.window`. Returns when nobody is left, or `drain.timeout` is over. Again is the same as once.
    package func drain() async {
        let settings = configuration.drain
        let deadline = MonotonicTime.now() + settings.timeout
        guard draining.begin() else { return await waitUntilDrained(deadline) }
        for shard in shards { await shard.reactor.perform { shard.beginDraining() } }
        let sessions = await sessionCount
        if sessions > 0 {
            log.notice(
                "draining: \(sessions) sessions leave within \(settings.wait + settings.window), at the latest after \(settings.timeout); the same signal again ends it at once"
            )
            let noticed = MonotonicTime.now() + settings.wait
            while MonotonicTime.now() < noticed, !draining.isHurried { try? await Task.sleep(for: Self.glance) }
        }
        draining.entered(.leaving)
        await stopListening()
        let window = draining.isHurried ? .zero : settings.window
        for shard in shards { await shard.reactor.perform { shard.leave(over: window) } }
        while MonotonicTime.now() < deadline, !draining.isHurried {
            guard await sessionCount > 0 else { break }
            try? await Task.sleep(for: Self.glance)
        }
        let left = await sessionCount
        draining.entered(.drained)
        if left > 0 {
            log.warning("drained: \(left) sessions did not leave in time")
        } else if sessions > 0 {
            log.notice("drained: nobody is left")
        }
    }

    private func waitUntilDrained(_ deadline: MonotonicTime) async {
        while draining.phase != .drained, MonotonicTime.now() < deadline, !draining.isHurried {
            try? await Task.sleep(for: Self.glance)
        }
    }
}

/// How a node leaves.
package struct DrainSettings: Equatable, Sendable {
    /// Between saying that it is not ready and taking no new clients.
    package var wait: Duration = .seconds(3)
    /// How long the leaving of all sessions is spread over.
    package var window: Duration = .seconds(10)
    /// After this it is over, whoever is left.
    package var timeout: Duration = .seconds(30)

    package init() {}
}
