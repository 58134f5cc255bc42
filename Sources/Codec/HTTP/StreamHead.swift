/// The head that opens a stream of messages. Its end is the end of the connection.
package enum StreamHead {
    /// - Parameters:
    ///   - isText: Lines of JSON, or else bytes.
    ///   - headers: What the page that asks may read, if one of another origin does. Names and values are our own.
    package static func write(isText: Bool, headers: [(String, String)], to writer: ByteWriter) {
        writer.append("HTTP/1.1 200 OK\r\nContent-Type: ")
        writer.append(isText ? "application/json" : "application/octet-stream")
        writer.append("\r\nCache-Control: no-cache, no-store, no-transform\r\nX-Accel-Buffering: no\r\n")
        // Nobody takes it for another kind of document, whatever is published.
        writer.append("X-Content-Type-Options: nosniff\r\nConnection: close\r\n")
        for (name, value) in headers { writer.append(text: "\(name): \(value)\r\n") }
        writer.append("\r\n")
    }
}
