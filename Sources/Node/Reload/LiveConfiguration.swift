import Synchronization

/// The configuration in force, for the control plane. Reactors have their own snapshot of what they need (`ShardSettings`).
package final class LiveConfiguration: Sendable {
    /// What happened to it since the start.
    package struct Counters: Equatable, Sendable {
        /// Reloads that were carried out, those without a change too.
        package var reloads: UInt64 = 0
        /// Reloads that were refused and changed nothing.
        package var failures: UInt64 = 0
        /// When what is in force was read, in milliseconds since 1970.
        package var readAt: UInt64
    }

    private struct State {
        var configuration: Configuration
        var rules: ChannelRules
        var digest: String
        var counters: Counters
    }

    private let state: Mutex<State>

    /// - Parameter now: Milliseconds since 1970.
    package init(_ configuration: Configuration, now: UInt64) {
        state = Mutex(
            State(
                configuration: configuration, rules: ChannelRules(configuration.channels), digest: configuration.digest,
                counters: Counters(readAt: now)))
    }

    package var configuration: Configuration { state.withLock { $0.configuration } }
    package var rules: ChannelRules { state.withLock { $0.rules } }
    /// See `Configuration.digest`.
    package var digest: String { state.withLock { $0.digest } }
    package var counters: Counters { state.withLock { $0.counters } }

    /// Another configuration is in force.
    func replace(by next: Configuration, now: UInt64) {
        let digest = next.digest
        let rules = ChannelRules(next.channels)
        state.withLock { state in
            state.configuration = next
            state.rules = rules
            state.digest = digest
            state.counters.reloads += 1
            state.counters.readAt = now
        }
    }

    /// A reload changed nothing because something is wrong.
    func refused() { state.withLock { $0.counters.failures += 1 } }
}
