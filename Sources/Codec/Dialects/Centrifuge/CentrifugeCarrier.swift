/// What the messages of the centrifuge dialect travel in.
package struct CentrifugeCarrier: Sendable {
    package enum Framing: Sendable {
        /// Each in a frame of its own: text for JSON, binary for Protobuf.
        case webSocket
        /// One after the other in the body of a response: a line each for JSON; each behind its length for Protobuf.
        case stream
        /// Each an event of an event stream. Protobuf is not text, so it goes as in a stream.
        case eventStream
    }

    package let framing: Framing
    /// Pushes are in a Reply, as where commands are answered too; or else they are all there is.
    package let isBidirectional: Bool

    package init(_ framing: Framing, isBidirectional: Bool) {
        self.framing = framing
        self.isBidirectional = isBidirectional
    }

    init(_ variant: Variant) {
        let framing: Framing =
            switch variant.transport {
            case .webSocket: .webSocket
            case .eventStream: .eventStream
            case .stream, .longPolling: .stream
            }
        self.init(framing, isBidirectional: !variant.isUnidirectional)
    }

    package static let webSocket = CentrifugeCarrier(.webSocket, isBidirectional: true)
}
