import Codec

/// The head that opens an event stream (WHATWG HTML, "Server-sent events").
///
/// Its end is the end of the connection. `retry` tells browsers to come back after 2 s, and the comment makes
/// intermediaries that wait for a first byte of the body let the head through.
enum SSEResponse {
    /// - Parameter retry: Milliseconds after which a browser comes back.
    static func write(origin: String?, retry: Int = 2000, to writer: ByteWriter) {
        writer.append("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache, no-transform\r\n")
        writer.append("X-Accel-Buffering: no\r\nConnection: close\r\n")
        if let origin {
            // The origin was allowed, and the parser refuses control bytes in it.
            writer.append("Access-Control-Allow-Origin: ")
            writer.append(text: origin)
            writer.append("\r\nVary: Origin\r\n")
        }
        writer.append("\r\nretry: ")
        writer.append(decimal: UInt64(clamping: retry))
        writer.append("\n:\n")
    }
}
