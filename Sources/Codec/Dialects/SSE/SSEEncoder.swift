/// The sse dialect (WHATWG HTML 9.2, "Server-sent events").
///
/// A stream of lines cannot hold a line break inside a value, so each line of the payload is a `data:` line of its own,
/// and the browser joins them with a line feed again: CR and CR LF come out as LF, as the standard has it. What is not
/// text goes as base64.
package enum SSEEncoder {
    /// The longest id that says where several channels are, in bytes: it comes back in one line of a request head.
    package static let maximumPlacesBytes = 4096

    /// Where the channels of a stream are, as an id without an event: a client that is cut off before it got anything else
    /// comes back with it (WHATWG HTML 9.2.6: an event without data sets the id, and nobody is told).
    ///
    /// Channels for which there is no room are left out; of those nobody knows when the client comes back.
    package static func writePlaces(_ positions: [(channel: ChannelName, position: Position)], to writer: ByteWriter) {
        var left = maximumPlacesBytes
        var isFirst = true
        for entry in positions {
            // A dash, 16 digits, a point, 16 digits, a space.
            left -= entry.channel.bytes.count + 35
            guard left >= 0 else { break }
            writer.append(isFirst ? "id: " : " ")
            isFirst = false
            write(entry.channel, entry.position, to: writer)
        }
        if !isFirst { writer.append("\n\n") }
    }

    private static func write(_ channel: ChannelName, _ position: Position, to writer: ByteWriter) {
        writer.append(channel.bytes)
        writer.append("-")
        writer.append(text: String(position.epoch, radix: 16))
        writer.append(".")
        writer.append(decimal: position.offset.value)
    }

    /// What a client is told. The others are replies, and an event stream has no commands.
    static func write(_ outcome: Outcome, to writer: ByteWriter) {
        switch outcome {
        // A comment keeps proxies from closing the stream; TCP finds out whether anybody is there.
        case .ping: writer.append(":\n\n")
        case .lost(let channel, let position): writeLost(channel, at: position, to: writer)
        case .positions(let positions): writePlaces(positions, to: writer)
        case .refused(let error): writeRefusal(code: error.code, message: error.message, to: writer)
        default: break
        }
    }

    /// The end of a stream is the end of its connection. One that is to come back at a certain time is told when.
    static func write(_ ending: Ending, to writer: ByteWriter) {
        guard case .shutdown(let milliseconds?) = ending else { return }
        writer.append("retry: ")
        writer.append(decimal: UInt64(clamping: milliseconds))
        writer.append("\n\n")
    }

    /// A refusal that may be over when the client comes back, as an event: a stream cannot have another status, because
    /// browsers would not come back.
    package static func writeRefusal(code: String, message: String, to writer: ByteWriter) {
        writer.append("event: refused\ndata: {\"code\":")
        JSONWriter.writeString(code, to: writer)
        writer.append(",\"message\":")
        JSONWriter.writeString(message, to: writer)
        writer.append("}\n\n")
    }

    /// Publications of a channel are lost, as an event of its own.
    ///
    /// - Parameter position: What follows this place is not lost; nil where the client may come back to the place it knows.
    package static func writeLost(_ channel: ChannelName, at position: Position? = nil, to writer: ByteWriter) {
        if let position {
            writer.append("id: ")
            write(channel, position, to: writer)
            writer.append("\n")
        }
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

    /// What an `id` of ours says, when it comes back as `Last-Event-ID`: where one channel is, or several. Names have no spaces.
    package static func positions(in id: String) -> [ChannelName: Position] {
        var positions: [ChannelName: Position] = [:]
        for part in id.utf8.split(separator: UInt8(ascii: " ")) {
            if let (channel, position) = position(in: String(Substring(part))) { positions[channel] = position }
        }
        return positions
    }

    package static func position(in id: String) -> (channel: ChannelName, position: Position)? {
        // By bytes: some characters of a name join the dash after them into one with it.
        let bytes = id.utf8
        guard let dash = bytes.lastIndex(of: UInt8(ascii: "-")),
            let dot = bytes[dash...].firstIndex(of: UInt8(ascii: ".")),
            let channel = try? ChannelName(validating: bytes[..<dash]),
            let epoch = UInt64(id[bytes.index(after: dash)..<dot], radix: 16),
            let offset = Offset(decimal: bytes[bytes.index(after: dot)...])
        else { return nil }
        return (channel, Position(epoch: epoch, offset: offset))
    }

    static func write(_ publication: Publication, to writer: ByteWriter) {
        if let position = publication.position {
            writer.append("id: ")
            write(publication.channel, position, to: writer)
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

    // MARK: Sizes

    /// The most bytes one event takes: each line of the payload becomes a field.
    static func maximumBytes(_ publication: Publication) -> Int {
        let payload = publication.payload
        let around = 96 + publication.channel.bytes.count + (publication.extras?.event?.count ?? 0)
        guard publication.kind != .binary else { return around + (payload.count + 2) / 3 * 4 }
        let breaks = payload.reduce(into: 0) { count, byte in
            if byte == 0x0A || byte == 0x0D { count += 1 }
        }
        return around + payload.count + 7 * (breaks + 1)
    }

    /// The most bytes the event of a member takes, the channel apart.
    static func maximumBytes(_ member: PresenceMember) -> Int { 256 + member.detailBytes }
}
