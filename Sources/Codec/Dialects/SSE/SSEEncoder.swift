/// The sse dialect (WHATWG HTML 9.2, "Server-sent events").
///
/// A stream of lines cannot hold a line break inside a value, so each line of the payload is a `data:` line of its own,
/// and the browser joins them with a line feed again: CR and CR LF come out as LF, as the standard has it. What is not
/// text goes as base64.
package enum SSEEncoder {
    /// Publications of a channel are lost, as an event of its own.
    package static func writeLost(_ channel: ChannelName, to writer: ByteWriter) {
        writer.append("event: lost\ndata: {\"channel\":")
        JSONWriter.writeString(channel.bytes, to: writer)
        writer.append("}\n\n")
    }

    /// Somebody came to a channel or is gone, as an event of its own.
    static func write(
        _ change: PresenceChange, _ member: PresenceMember, in channel: ChannelName, to writer: ByteWriter
    ) {
        switch change {
        case .join: writer.append("event: join\ndata: {\"channel\":")
        case .leave: writer.append("event: leave\ndata: {\"channel\":")
        }
        JSONWriter.writeString(channel.bytes, to: writer)
        writer.append(",\"client\":\"")
        writer.append(member.session)
        writer.append("\"")
        if let user = member.user {
            writer.append(",\"user\":")
            JSONWriter.writeString(user, to: writer)
        }
        if let info = member.info {
            writer.append(",\"info\":")
            info.withUnsafeBytes { JSONWriter.writeOnOneLine($0, to: writer) }
        }
        writer.append("}\n\n")
    }

    /// What an `id` of ours says, when it comes back as `Last-Event-ID`.
    package static func position(in id: String) -> (channel: ChannelName, position: Position)? {
        // By bytes: some characters of a name join the dash after them into one with it.
        let bytes = id.utf8
        guard let dash = bytes.lastIndex(of: UInt8(ascii: "-")),
            let dot = bytes[dash...].firstIndex(of: UInt8(ascii: ".")),
            let channel = try? ChannelName(validating: bytes[..<dash]),
            let epoch = UInt64(id[bytes.index(after: dash)..<dot], radix: 16),
            let offset = UInt64(id[bytes.index(after: dot)...])
        else { return nil }
        return (channel, Position(epoch: epoch, offset: offset))
    }

    static func write(_ publication: Publication, to writer: ByteWriter) {
        if let position = publication.position {
            writer.append("id: ")
            writer.append(publication.channel.bytes)
            writer.append("-")
            writer.append(text: String(position.epoch, radix: 16))
            writer.append(".")
            writer.append(decimal: position.offset)
            writer.append("\n")
        }
        if let event = publication.extras?.event, !event.contains(where: { $0 == 10 || $0 == 13 }) {
            writer.append("event: ")
            writer.append(event)
            writer.append("\n")
        }
        publication.payload.withUnsafeBytes { payload in
            if publication.kind == .binary {
                writer.append("data: ")
                Base64.write(payload, to: writer)
                writer.append("\n")
            } else {
                writeLines(payload, to: writer)
            }
        }
        writer.append("\n")
    }

    private static func writeLines(_ payload: UnsafeRawBufferPointer, to writer: ByteWriter) {
        var start = 0
        while true {
            let end = payload.lineBreak(from: start)
            writeLine(UnsafeRawBufferPointer(rebasing: payload[start..<end]), to: writer)
            guard end < payload.count else { return }
            start = end + 1
            if payload[end] == 13, start < payload.count, payload[start] == 10 { start += 1 }
        }
    }

    private static func writeLine(_ line: UnsafeRawBufferPointer, to writer: ByteWriter) {
        writer.append("data: ")
        writer.append(line)
        writer.append("\n")
    }
}
