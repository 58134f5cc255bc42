/// The sse dialect (WHATWG HTML 9.2, "Server-sent events").
///
/// A stream of lines cannot hold a line break inside a value, so each line of the payload is a `data:` line of its own,
/// and the browser joins them with a line feed again: CR and CR LF come out as LF, as the standard has it. What is not
/// text goes as base64.
enum SSEEncoder {
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
        var index = 0
        while index < payload.count {
            let byte = payload[index]
            guard byte == 10 || byte == 13 else {
                index += 1
                continue
            }
            writeLine(UnsafeRawBufferPointer(rebasing: payload[start..<index]), to: writer)
            if byte == 13, index + 1 < payload.count, payload[index + 1] == 10 { index += 1 }
            index += 1
            start = index
        }
        writeLine(UnsafeRawBufferPointer(rebasing: payload[start...]), to: writer)
    }

    private static func writeLine(_ line: UnsafeRawBufferPointer, to writer: ByteWriter) {
        writer.append("data: ")
        writer.append(line)
        writer.append("\n")
    }
}
