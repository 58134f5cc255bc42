/// The head that opens an event stream (WHATWG HTML, "Server-sent events").
///
/// Its end is the end of the connection. `retry` tells browsers to come back after 2 s, and the comment makes
/// intermediaries that wait for a first byte of the body let the head through.
package enum EventStreamHead {
    /// - Parameters:
    ///   - headers: What the page that asks may read, if one of another origin does. Names and values are our own.
    ///   - retry: Milliseconds after which a browser comes back.
    package static func write(headers: [(String, String)], retry: Int = 2000, to writer: ByteWriter) {
        writer.append("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache, no-transform\r\n")
        writer.append("X-Accel-Buffering: no\r\nConnection: close\r\n")
        for (name, value) in headers { writer.append(text: "\(name): \(value)\r\n") }
        writer.append("\r\nretry: ")
        writer.append(decimal: UInt64(clamping: retry))
        writer.append("\n:\n")
    }
}
