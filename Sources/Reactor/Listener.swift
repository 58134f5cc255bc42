/// A listening socket on one reactor.
///
/// Accepts at most a budget per turn, so that a storm of new clients does not starve those who are there. When
/// descriptors run out it stops listening for a moment instead of being woken for a connection it cannot take.
package final class Listener: ReactorHandler {
    package struct Statistics: Sendable {
        package var accepted: UInt64 = 0
        /// How often the listener paused because descriptors, memory or admission ran out.
        package var pauses: UInt64 = 0
        package var failures: UInt64 = 0
    }

    package let address: SocketAddress
    package private(set) var statistics = Statistics()
    package private(set) var isPaused = false
    /// Whether one more connection is welcome now; asked before each accept.
    package var admit: () -> Bool = { true }

    package let reactor: Reactor
    private let descriptor: Int32
    private let budget: Int
    private let accepted: (Int32, SocketAddress) -> Void
    private var handler: HandlerID?
    private var isOpen = false

    /// How long a pause lasts before the next try.
    package static let pause: Duration = .milliseconds(100)

    /// Takes over a listening socket.
    package init(
        reactor: Reactor, descriptor: Int32, budget: Int = 64, accepted: @escaping (Int32, SocketAddress) -> Void
    ) {
        self.reactor = reactor
        self.descriptor = descriptor
        self.budget = budget
        self.accepted = accepted
        address = Socket.localAddress(of: descriptor) ?? .unix("")
    }

    /// On the reactor.
    package func start() throws(SystemError) {
        let handler = reactor.add(handler: self)
        self.handler = handler
        try reactor.register(descriptor, for: .readable, handler: handler, slot: 0, generation: 0)
        isOpen = true
    }

    /// On the reactor: no new connections from here on.
    package func stop() {
        guard isOpen else { return }
        isOpen = false
        reactor.deregister(descriptor)
        Socket.close(descriptor)
    }

    package func ready(slot: UInt32, generation: UInt32, readiness: Readiness) {
        guard isOpen, !isPaused else { return }
        for _ in 0..<budget {
            guard admit() else { return rest() }
            switch Socket.accept(descriptor) {
            case .accepted(let client, let peer):
                statistics.accepted &+= 1
                accepted(client, peer)
            case .wouldBlock:
                return
            case .descriptorsExhausted:
                return rest()
            case .failed:
                statistics.failures &+= 1
                return rest()
            }
        }
    }

    private func rest() {
        guard let handler else { return }
        isPaused = true
        statistics.pauses &+= 1
        reactor.change(descriptor, to: [], handler: handler, slot: 0, generation: 0)
        reactor.schedule(after: Self.pause, handler: handler, slot: 0, generation: 0, tag: 0)
    }

    package func timerFired(slot: UInt32, generation: UInt32, tag: UInt8) {
        guard isOpen, isPaused, let handler else { return }
        isPaused = false
        reactor.change(descriptor, to: .readable, handler: handler, slot: 0, generation: 0)
    }
}
