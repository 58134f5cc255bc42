import Backplane
import Codec
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
        /// `drain` has not returned yet.
        var isRunning = false
        var isUndone = false
        /// The process ends.
        var isFinal = false
    }

    /// What becomes of the wish to stay after all.
    enum Return: Equatable {
        case granted
        /// The node serves already.
        case notNeeded
        /// The process ends.
        case refused
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
            state.isRunning = true
            state.isUndone = false
            return true
        }
    }

    func ended(_ phase: Phase) {
        state.withLock { state in
            state.phase = phase
            state.isRunning = false
        }
    }

    /// There is no way back from here on.
    func isForGood() { state.withLock { $0.isFinal = true } }

    /// The node is to serve again.
    func undo() -> Return {
        state.withLock { state in
            if state.isFinal { return .refused }
            if state.phase == .serving { return .notNeeded }
            state.isUndone = true
            return .granted
        }
    }

    var isUndone: Bool { state.withLock { $0.isUndone } }
    var isRunning: Bool { state.withLock { $0.isRunning } }

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
    ///
    /// - Parameter isFinal: Whether the process ends afterwards, so that the node cannot be put back.
    package func drain(isFinal: Bool = false) async {
        let settings = configuration.drain
        let deadline = MonotonicTime.now() + settings.timeout
        if isFinal { draining.isForGood() }
        while !draining.begin() {
            await waitUntilDrained(deadline)
            // It was being put back just now.
            guard draining.phase == .serving else { return }
        }
        for shard in shards { await shard.reactor.perform { shard.beginDraining() } }
        let sessions = await sessionCount
        await note(
            .info,
            "draining: \(things(sessions, "session leaves", "sessions leave"))\(isFinal ? ", then the node stops" : "")"
        )
        if sessions > 0 {
            log.notice(
                "draining: \(things(sessions, "session leaves", "sessions leave")) within \(settings.wait + settings.window), at the latest after \(settings.timeout)\(isFinal ? "; the same signal again ends it at once" : "")"
            )
            let noticed = MonotonicTime.now() + settings.wait
            while MonotonicTime.now() < noticed, goesOn { try? await Task.sleep(for: Self.glance) }
        }
        guard !draining.isUndone else { return draining.ended(.waiting) }
        draining.entered(.leaving)
        await listeners.close()
        let window = draining.isHurried ? .zero : settings.window
        for shard in shards { await shard.reactor.perform { shard.leave(over: window) } }
        while MonotonicTime.now() < deadline, goesOn {
            guard await sessionCount > 0 else { break }
            try? await Task.sleep(for: Self.glance)
        }
        let left = await sessionCount
        draining.ended(.drained)
        if draining.isUndone { return }
        await note(.info, "drained: \(things(left, "session is", "sessions are")) left")
        if left > 0 {
            log.warning("drained: \(things(left, "session")) did not leave in time")
        } else if sessions > 0 {
            log.notice("drained: no sessions are left")
        }
    }

    /// Whether a drain is neither hurried nor undone.
    private var goesOn: Bool { !draining.isHurried && !draining.isUndone }

    /// Remembers something for those who ask what happened lately; the log has it in more words.
    func note(_ level: LinkEventLevel, _ message: String) async {
        let inbox = inbox
        await home.perform { inbox.note(level, message) }
    }

    private func waitUntilDrained(_ deadline: MonotonicTime) async {
        while ![.drained, .serving].contains(draining.phase), MonotonicTime.now() < deadline, !draining.isHurried {
            try? await Task.sleep(for: Self.glance)
        }
    }

    /// Puts a drained node, or one that is being drained, back: it listens again on the same addresses, and is ready.
    /// Sessions that were told to leave leave.
    ///
    /// - Returns: Why it cannot, or nil.
    package func undrain() async -> String? {
        switch draining.undo() {
        case .refused: return "the node is being stopped"
        case .notNeeded: return nil
        case .granted: break
        }
        while draining.isRunning { try? await Task.sleep(for: Self.glance) }
        do throws(SystemError) {
            try await listeners.open()
        } catch {
            draining.ended(.drained)
            log.error("the node cannot be put back: \(error)")
            return "\(error)"
        }
        for shard in shards { await shard.reactor.perform { shard.stay() } }
        draining.ended(.serving)
        await note(.info, "put back: the node serves clients again")
        log.notice("put back: the node serves clients again")
        return nil
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
