package import Codec
import Reactor

/// An event as JSON, for operators and applications.
package enum EventText {
    /// `{"kind":"subscribed","time":1700000000000,"node":"…","session":"…","user":"…","channel":"…"}`: what an event does not
    /// have is left out.
    package static func write(_ event: NodeEvent, node: NodeID, to writer: ByteWriter) {
        writer.append("{\"kind\":\"")
        writer.append(text: event.kind.name)
        writer.append("\",\"time\":")
        writer.append(decimal: event.time)
        writer.append(",\"node\":\"")
        writer.append(node)
        writer.append("\"")
        if let session = event.session {
            writer.append(",\"session\":\"")
            writer.append(session)
            writer.append("\"")
        }
        if let user = event.user { field("user", user.text, to: writer) }
        if let channel = event.channel { field("channel", channel.description, to: writer) }
        write(event.details, to: writer)
        writer.append("}")
    }

    private static func write(_ details: NodeEvent.Details, to writer: ByteWriter) {
        switch details {
        case .nothing, .occupancy, .member(nil): break
        case .opened(let dialect, let remote):
            field("dialect", dialect, to: writer)
            if let remote { field("remote", remote.description, to: writer) }
        case .closed(let code, let reason, let cause):
            writer.append(",\"code\":")
            writer.append(decimal: UInt64(code))
            field("reason", reason, to: writer)
            field("cause", cause, to: writer)
        case .member(let info?):
            writer.append(",\"info\":")
            info.withUnsafeBytes { JSONWriter.writeOnOneLine($0, to: writer) }
        case .publication(.json, let payload):
            writer.append(",\"data\":")
            payload.withUnsafeBytes { JSONWriter.writeOnOneLine($0, to: writer) }
        case .publication(.text, let payload):
            writer.append(",\"text\":")
            JSONWriter.writeString(payload, to: writer)
        case .publication(.binary, let payload):
            writer.append(",\"base64\":\"")
            payload.withUnsafeBytes { Base64.write($0, to: writer) }
            writer.append("\"")
        }
    }

    private static func field(_ name: StaticString, _ value: String, to writer: ByteWriter) {
        writer.append(",\"")
        writer.append(name)
        writer.append("\":")
        JSONWriter.writeString(value, to: writer)
    }

    /// As an event of a `text/event-stream`: the kind is its type.
    package static func writeStreamed(_ event: NodeEvent, node: NodeID, to writer: ByteWriter) {
        writer.append("event: ")
        writer.append(text: event.kind.name)
        writer.append("\ndata: ")
        write(event, node: node, to: writer)
        writer.append("\n\n")
    }
}
