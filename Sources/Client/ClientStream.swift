package import Codec
package import Reactor

/// A client connection for asynchronous code: a reactor of its own, and its events as a sequence that ends when the
/// connection does.
package final class ClientStream: Sendable {
    package let events: AsyncStream<ClientEvent>
    private let reactor: Reactor
    private let connection: ClientConnection

    /// Begins to connect; `.opened` or `.closed` is the first event.
    ///
    /// - Parameters:
    ///   - tls: For `wss://`; nil trusts those the system trusts.
    ///   - offersCompression: Whether permessage-deflate is offered; a server may decline it.
    package init(
        target: Target, protocols: [String] = [], tls: TLSContext? = nil, offersCompression: Bool = false
    ) throws(SystemError) {
        let (events, continuation) = AsyncStream.makeStream(of: ClientEvent.self)
        let reactor = try Reactor(index: 0, name: "client")
        let connection = ClientConnection(
            reactor: reactor, target: target, protocols: protocols, tls: tls, offersCompression: offersCompression
        ) { event in
            continuation.yield(event)
            if case .closed = event { continuation.finish() }
        }
        self.events = events
        self.reactor = reactor
        self.connection = connection
        reactor.start()
        reactor.post { connection.open() }
    }

    /// Sent when the connection is open; otherwise forgotten.
    package func send(_ opcode: Opcode, _ payload: [UInt8]) {
        let connection = connection
        reactor.post { payload.withUnsafeBytes { connection.send(opcode, $0) } }
    }

    package func send(text: String) { send(.text, Array(text.utf8)) }

    package func ping() {
        let connection = connection
        reactor.post { connection.ping() }
    }

    package func close(_ code: CloseCode = .normal, reason: String = "") {
        let connection = connection
        reactor.post { connection.close(code, reason: reason) }
    }
}
