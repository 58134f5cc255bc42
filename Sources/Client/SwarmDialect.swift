import Codec

/// What is spoken inside the WebSocket by whoever is measured.
package enum SwarmDialect: String, Sendable, CaseIterable {
    /// Every message is a payload; subscribing is done by the URL or by connecting. Carillon's raw dialect, the floor
    /// program, Bun with its native pub/sub, nchan's `nchan_pubsub`.
    case raw
    /// The NATS client protocol in binary messages.
    case nats

    /// Sent when the WebSocket is open; nil when being open is being subscribed.
    func greeting(channel: String) -> [UInt8]? {
        switch self {
        case .raw: nil
        case .nats:
            Array(
                ("CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"carillon\",\"version\":\"1\",\"protocol\":1}\r\n"
                    + "SUB \(channel) 1\r\nPING\r\n").utf8)
        }
    }

    var opcode: Opcode { self == .nats ? .binary : .text }

    /// What carries a publication, without the WebSocket frame.
    func write(_ sequence: UInt32, of payload: SequencedPayload, channel: String, to writer: ByteWriter) {
        switch self {
        case .raw:
            payload.write(sequence, to: writer)
        case .nats:
            writer.append(text: "PUB \(channel) ")
            writer.append(decimal: UInt64(payload.bytes))
            writer.append("\r\n")
            payload.write(sequence, to: writer)
            writer.append("\r\n")
        }
    }
}
