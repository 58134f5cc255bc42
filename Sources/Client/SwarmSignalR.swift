import Codec

/// What a member says and understands at a SignalR hub (HubProtocol.md of dotnet/aspnetcore), over a WebSocket without negotiation.
///
/// The hub needs the methods `JoinGroup(group)` and `SendToGroup(group, target, argument)`. Calls have no id where the answer is not
/// waited for.
enum SwarmSignalR {
    enum Encoding { case json, messagePack }

    private static let (join, send, target): (StaticString, StaticString, StaticString) =
        ("JoinGroup", "SendToGroup", "m")
    /// The id of the call that joins.
    private static let joinID: StaticString = "1"
    private static let separator: UInt8 = 0x1E
    private static let (invocation, completion, ping): (UInt64, UInt64, UInt64) = (1, 3, 6)

    /// The first message, which is JSON in both encodings.
    static func handshake(_ encoding: Encoding) -> [UInt8] {
        let name = encoding == .json ? "json" : "messagepack"
        return Array(#"{"protocol":"\#(name)","version":1}"#.utf8) + [separator]
    }

    /// Whether a message is the answer of a hub that takes the handshake.
    static func isWelcome(_ message: UnsafeRawBufferPointer) -> Bool { message.elementsEqual([0x7B, 0x7D, separator]) }

    /// The call that subscribes the member.
    static func join(_ group: String, _ encoding: Encoding) -> [UInt8] {
        let writer = ByteWriter()
        switch encoding {
        case .json:
            writer.append(text: #"{"type":1,"invocationId":"\#(joinID)","target":"\#(join)","arguments":["#)
            writer.append(text: #""\#(group)"]}"#)
            writer.append(separator)
        case .messagePack:
            let body = ByteWriter()
            MessagePackWriter.writeArrayHead(6, to: body)
            MessagePackWriter.write(invocation, to: body)
            MessagePackWriter.writeMapHead(0, to: body)
            MessagePackWriter.writeText(joinID, to: body)
            MessagePackWriter.writeText(join, to: body)
            MessagePackWriter.writeArrayHead(1, to: body)
            MessagePackWriter.writeText(Array(group.utf8), to: body)
            MessagePackWriter.writeArrayHead(0, to: body)
            behindLength(body, to: writer)
        }
        return Array(writer.bytes)
    }

    /// Whether a message says that the member has joined.
    static func isJoined(_ message: UnsafeRawBufferPointer, _ encoding: Encoding) -> Bool {
        switch encoding {
        case .json:
            let text = String(decoding: message, as: UTF8.self)
            return text.contains(#""type":3,"invocationId":"\#(joinID)""#) && !text.contains(#""error""#)
        case .messagePack:
            // The length, an array of four or five, 3, no headers, the id "1", and the kind of the result: 2 for none, 3 for a value.
            guard message.count >= 7, message[1] & 0xF0 == 0x90 else { return false }
            return message[2] == UInt8(completion) && message[3] == 0x80 && message[4] == 0xA1
                && message[5] == joinID.utf8Start[0] && (message[6] == 2 || message[6] == 3)
        }
    }

    /// What a publication is sent with. The payload is one argument: a string, or the value that JSON stands for.
    static func write(
        _ sequence: UInt32, of payload: SequencedPayload, group: String, _ encoding: Encoding, to writer: ByteWriter
    ) {
        switch encoding {
        case .json:
            let quote = payload.kind == .text ? "\"" : ""
            writer.append(text: #"{"type":1,"target":"\#(send)","arguments":["\#(group)","\#(target)",\#(quote)"#)
            payload.write(sequence, to: writer)
            writer.append(text: quote + "]}")
            writer.append(separator)
        case .messagePack:
            let text = ByteWriter(capacity: payload.bytes)
            payload.write(sequence, to: text)
            let body = ByteWriter(capacity: payload.bytes + 64)
            MessagePackWriter.writeArrayHead(6, to: body)
            MessagePackWriter.write(invocation, to: body)
            MessagePackWriter.writeMapHead(0, to: body)
            MessagePackWriter.writeNull(to: body)
            MessagePackWriter.writeText(send, to: body)
            MessagePackWriter.writeArrayHead(3, to: body)
            MessagePackWriter.writeText(Array(group.utf8), to: body)
            MessagePackWriter.writeText(target, to: body)
            switch payload.kind {
            case .text: MessagePackWriter.writeText(text.bytes, to: body)
            case .json: precondition(MessagePackWriter.writeJSON(text.bytes, to: body), "the payload is JSON")
            }
            MessagePackWriter.writeArrayHead(0, to: body)
            behindLength(body, to: writer)
        }
    }

    /// What a ping of the hub is answered with: one of the member's own, because a hub wants to hear something every 30 s.
    static func pong(to message: UnsafeRawBufferPointer, _ encoding: Encoding) -> [UInt8]? {
        let ping: [UInt8] = encoding == .json ? Array(#"{"type":6}"#.utf8) + [separator] : [2, 0x91, UInt8(Self.ping)]
        return message.elementsEqual(ping) ? ping : nil
    }

    private static func behindLength(_ body: ByteWriter, to writer: ByteWriter) {
        writer.append(varint: UInt64(body.count))
        writer.append(body.bytes)
    }
}
