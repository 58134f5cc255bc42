import Logging
import Reactor
import ServiceLifecycle
import UnixSignals

/// A running node as a service: starts when the group does, leaves in good order when it is asked to.
package struct NodeService: Service {
    private let node: RunningNode
    private let onListening: @Sendable () async -> Void

    package init(node: RunningNode, onListening: @escaping @Sendable () async -> Void) {
        self.node = node
        self.onListening = onListening
    }

    package func run() async throws {
        try await node.start()
        await onListening()
        let gatekeeper = node.gatekeeper
        let keys = Task { await gatekeeper.run() }
        let node = node
        let signals = Task {
            for await _ in await UnixSignalsSequence(trapping: .sighup) { node.reload() }
        }
        try? await gracefulShutdown()
        signals.cancel()
        keys.cancel()
        await node.stop()
    }
}

/// Lets the sessions go when the node is asked to end: the first that happens then, while everything else still works.
package struct DrainService: Service {
    private let node: RunningNode

    package init(node: RunningNode) { self.node = node }

    package func run() async throws {
        do {
            try await gracefulShutdown()
        } catch {
            // Something failed, and everything ends at once: there is nothing to be drained through.
            return
        }
        let node = node
        // Whoever asks twice does not want to wait.
        let again = Task {
            for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) { node.draining.hurry() }
        }
        await node.drain()
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
