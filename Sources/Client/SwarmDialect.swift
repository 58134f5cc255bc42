import Codec

/// What is spoken inside the WebSocket by whoever is measured.
package enum SwarmDialect: String, Sendable, CaseIterable {
    /// Every message is a payload; subscribing is done by the URL or by connecting. Carillon's raw dialect, the floor
    /// program, Bun with its native pub/sub, nchan's `nchan_pubsub`.
    case raw
    /// The NATS client protocol in binary messages.
    case nats
    /// Centrifugo's client protocol in JSON. The channel's rule has to let clients publish.
    case centrifuge
    /// The same in Protobuf: messages that stand behind their length.
    case centrifugeProtobuf = "centrifuge-protobuf"
    /// A SignalR hub, in JSON and in MessagePack: see `SwarmSignalR`.
    case signalRJSON = "signalr-json"
    case signalRMessagePack = "signalr-messagepack"

    /// What may be asked for, for people.
    package static var names: String {
        allCases.dropLast().map(\.rawValue).joined(separator: ", ") + " or \(signalRMessagePack.rawValue)"
    }

    private var signalR: SwarmSignalR.Encoding { self == .signalRMessagePack ? .messagePack : .json }

    /// The commands of the Centrifuge protocol have numbers; every publication has the same, because its reply is not waited for.
    private static let (connectID, subscribeID, publishID): (UInt64, UInt64, UInt64) = (1, 2, 3)

    /// Sent when the WebSocket is open; nil when being open is being subscribed.
    func greeting(channel: String) -> [UInt8]? {
        switch self {
        case .raw: return nil
        case .centrifuge:
            return Array(
                (#"{"id":\#(Self.connectID),"connect":{}}"# + "\n"
                    + #"{"id":\#(Self.subscribeID),"subscribe":{"channel":"\#(channel)"}}"#).utf8)
        case .centrifugeProtobuf:
            let writer = ByteWriter()
            Self.writeCommand(Self.connectID, field: 4, [], to: writer)
            Self.writeCommand(Self.subscribeID, field: 5, Self.bytesField(1, Array(channel.utf8)), to: writer)
            return Array(writer.bytes)
        case .nats:
            return Array(
                ("CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"carillon\",\"version\":\"1\",\"protocol\":1}\r\n"
                    + "SUB \(channel) 1\r\nPING\r\n").utf8)
        case .signalRJSON, .signalRMessagePack: return SwarmSignalR.handshake(signalR)
        }
    }

    var opcode: Opcode {
        switch self {
        case .raw, .centrifuge, .signalRJSON: .text
        case .nats, .centrifugeProtobuf, .signalRMessagePack: .binary
        }
    }

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
        case .centrifuge:
            // Text is no JSON by itself.
            let quote = payload.kind == .text ? "\"" : ""
            writer.append(text: #"{"id":\#(Self.publishID),"publish":{"channel":"\#(channel)","data":\#(quote)"#)
            payload.write(sequence, to: writer)
            writer.append(text: quote + "}}")
        case .centrifugeProtobuf:
            let body = ByteWriter()
            body.append(Self.bytesField(1, Array(channel.utf8)))
            body.append(Self.key(2, isBytes: true))
            body.append(Self.varint(UInt64(payload.bytes)))
            payload.write(sequence, to: body)
            Self.writeCommand(Self.publishID, field: 7, Array(body.bytes), to: writer)
        case .signalRJSON, .signalRMessagePack:
            SwarmSignalR.write(sequence, of: payload, group: channel, signalR, to: writer)
        }
    }

    /// What is said next by a member that is not subscribed yet; nil where a message asks for nothing.
    func nextGreeting(after message: UnsafeRawBufferPointer, channel: String) -> [UInt8]? {
        switch self {
        case .raw, .nats, .centrifuge, .centrifugeProtobuf: nil
        case .signalRJSON, .signalRMessagePack:
            SwarmSignalR.isWelcome(message) ? SwarmSignalR.join(channel, signalR) : nil
        }
    }

    /// Whether a message says that this member is subscribed. Nothing else of it is looked at.
    func isSubscribed(_ message: UnsafeRawBufferPointer) -> Bool {
        switch self {
        case .raw, .nats: return false
        case .centrifuge:
            return String(decoding: message, as: UTF8.self).contains(#""id":\#(Self.subscribeID),"subscribe""#)
        case .centrifugeProtobuf:
            var at = 0
            while let (length, size) = Self.varint(in: message, at: at), length <= UInt64(message.count - at - size) {
                at += size
                if length >= 2, message[at] == 0x08, message[at + 1] == UInt8(Self.subscribeID) { return true }
                at += Int(length)
                guard at < message.count else { return false }
            }
            return false
        case .signalRJSON, .signalRMessagePack: return SwarmSignalR.isJoined(message, signalR)
        }
    }

    /// What a message that is a ping is answered with.
    func pong(to message: UnsafeRawBufferPointer) -> [UInt8]? {
        switch self {
        case .centrifuge where message.count == 2: [0x7B, 0x7D]
        case .centrifugeProtobuf where message.count == 1: [0]
        case .signalRJSON, .signalRMessagePack: SwarmSignalR.pong(to: message, signalR)
        default: nil
        }
    }

    // MARK: Protobuf (protobuf.dev, "Encoding")

    private static func writeCommand(_ id: UInt64, field: UInt64, _ request: [UInt8], to writer: ByteWriter) {
        let command = key(1, isBytes: false) + varint(id) + bytesField(field, request)
        writer.append(varint(UInt64(command.count)))
        writer.append(command)
    }

    private static func bytesField(_ number: UInt64, _ bytes: [UInt8]) -> [UInt8] {
        key(number, isBytes: true) + varint(UInt64(bytes.count)) + bytes
    }

    private static func key(_ number: UInt64, isBytes: Bool) -> [UInt8] { varint(number << 3 | (isBytes ? 2 : 0)) }

    private static func varint(_ value: UInt64) -> [UInt8] {
        var (rest, bytes): (UInt64, [UInt8]) = (value, [])
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(truncatingIfNeeded: rest)]
    }

    /// - Returns: The number at a place and its size; nil where there is none.
    private static func varint(in bytes: UnsafeRawBufferPointer, at start: Int) -> (UInt64, Int)? {
        var value: UInt64 = 0
        for index in 0..<10 where start + index < bytes.count {
            value |= UInt64(bytes[start + index] & 0x7F) << UInt64(7 * index)
            if bytes[start + index] < 0x80 { return (value, index + 1) }
        }
        return nil
    }
}
