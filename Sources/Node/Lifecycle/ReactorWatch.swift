import Logging
import Reactor
import ServiceLifecycle
import Synchronization

/// Notices a reactor that does not turn: whoever it serves waits, and nothing but a restart helps.
///
/// Each reactor is given a piece of work once a second. One that has not done it after `patience` is stuck: the node is not live
/// (`/health/live`), and nobody asks that reactor anything meanwhile.
package final class ReactorWatch: Service {
    /// How long a reactor may take for a turn.
    package static let patience: Duration = .seconds(10)
    private static let interval: Duration = .seconds(1)

    private struct Sign {
        var at = MonotonicTime.now()
        /// Work was given that is not done.
        var isAwaited = false
    }

    private let reactors: [Reactor]
    private let log: Logger
    private let signs: Mutex<[Sign]>

    init(_ reactors: [Reactor], log: Logger) {
        self.reactors = reactors
        self.log = log
        signs = Mutex(reactors.map { _ in Sign() })
    }

    /// The first reactor that is stuck, and for how long; nil when all turn.
    package var stuck: (name: String, since: Duration)? { stuck(after: Self.patience) }

    func stuck(after patience: Duration) -> (name: String, since: Duration)? {
        let now = MonotonicTime.now()
        return signs.withLock { signs in
            for (reactor, sign) in zip(reactors, signs) where sign.isAwaited && now - sign.at > patience {
                return (reactor.name, now - sign.at)
            }
            return nil
        }
    }

    package func run() async throws {
        var wasStuck = false
        while !Task.isCancelled, !Task.isShuttingDownGracefully {
            ask()
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.interval) }
            let stuck = stuck
            if let stuck, !wasStuck {
                log.critical("\(stuck.name) has not turned for \(stuck.since.components.seconds) s: restart this node")
            } else if stuck == nil, wasStuck {
                log.notice("all reactors turn again")
            }
            wasStuck = stuck != nil
        }
    }

    func ask() {
        for (index, reactor) in reactors.enumerated() {
            let isNew = signs.withLock { signs in
                defer {
                    if !signs[index].isAwaited { signs[index] = Sign(at: .now(), isAwaited: true) }
                }
                return !signs[index].isAwaited
            }
            guard isNew else { continue }
            reactor.post { self.signs.withLock { $0[index] = Sign() } }
        }
    }
}
