import Codec
import Glibc
import Logging
import Reactor
import ServiceLifecycle
import UnixSignals

/// A running node as a service: starts when the group does, leaves in good order when it is asked to.
package struct NodeService: Service {
    private let node: RunningNode
    private let reloads: Reloads
    private let onListening: @Sendable () async -> Void

    package init(node: RunningNode, reloads: Reloads, onListening: @escaping @Sendable () async -> Void) {
        self.node = node
        self.reloads = reloads
        self.onListening = onListening
    }

    package func run() async throws {
        try await node.start()
        await onListening()
        await reloads.start()
        let reloads = reloads
        let signals = Task {
            for await _ in await UnixSignalsSequence(trapping: .sighup) {
                ServiceManager.tell(
                    .reloading(monotonicMicroseconds: MonotonicTime.now().nanoseconds / 1000))
                let status: String
                do throws(ReloadRefusal) {
                    let report = try await reloads.reload(cause: Reloads.signal)
                    status =
                        "SIGHUP: reloaded, \(things(report.applied.count, "key has a new value", "keys have new values"))"
                } catch {
                    status = "SIGHUP: the configuration stays as it was, the log says why"
                }
                ServiceManager.tell(.ready(status: status))
            }
        }
        try? await gracefulShutdown()
        signals.cancel()
        await reloads.stop()
        await node.stop()
    }
}

/// Lets the sessions go when the node is asked to end: the first that happens then, while everything else still works.
package struct DrainService: Service {
    private let node: RunningNode

    /// How long everything behind `drain.timeout` may take.
    private static let patience: Duration = .seconds(15)

    package init(node: RunningNode) { self.node = node }

    package func run() async throws {
        do {
            try await gracefulShutdown()
        } catch {
            // Something failed, and everything ends at once: there is nothing to be drained through.
            return
        }
        let node = node
        // A reactor that is stuck would keep the process for ever.
        Task.detached {
            try? await Task.sleep(for: node.configuration.drain.timeout + Self.patience)
            node.log.critical("the node does not end by itself, and is ended now")
            LogWriter.standardError.flush(within: .seconds(1))
            _exit(1)
        }
        ServiceManager.tell(.stopping)
        // Whoever asks twice does not want to wait.
        let again = Task {
            for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) { node.draining.hurry() }
        }
        await node.drain(isFinal: true)
        again.cancel()
    }
}

/// Waits until both ports are open, then says so once.
package actor Announcement {
    private var client: String?
    private var admin: String?
    private let announce: @Sendable (_ client: String, _ admin: String) -> Void

    package init(_ announce: @escaping @Sendable (_ client: String, _ admin: String) -> Void) {
        self.announce = announce
    }

    package func clientListens(at address: String) {
        client = address
        tell()
    }

    package func adminListens(at address: String) {
        admin = address
        tell()
    }

    private func tell() {
        if let client, let admin { announce(client, admin) }
    }
}
