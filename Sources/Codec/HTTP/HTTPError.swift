/// A request that is refused: the status, a code for programs and a sentence for people.
package struct HTTPError: Error, Equatable, Sendable {
    package let status: Int
    package let code: String
    package let message: String
    package let headers: [(name: String, value: String)]

    package init(status: Int, code: String, message: String, headers: [(String, String)] = []) {
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers.map { (name: $0.0, value: $0.1) }
    }

    package static func == (left: HTTPError, right: HTTPError) -> Bool {
        left.status == right.status && left.code == right.code && left.message == right.message
            && left.headers.elementsEqual(right.headers) { $0 == $1 }
    }

    /// The whole response; the connection is closed after it.
    package func write(to writer: ByteWriter) {
        let body = ByteWriter(capacity: 256)
        body.append(#"{"error":{"code":"#)
        JSONWriter.writeString(code, to: body)
        body.append(#","message":"#)
        JSONWriter.writeString(message, to: body)
        body.append("}}\n")
        HTTPResponse.write(
            status: status, headers: [("Content-Type", "application/json")] + headers.map { ($0.name, $0.value) },
            body: body.bytes, to: writer)
    }
}

/// Whole responses with a body, after which the connection is closed (RFC 9112).
package enum HTTPResponse {
    package static func write(
        status: Int, headers: [(String, String)], body: UnsafeRawBufferPointer, to writer: ByteWriter
    ) {
        writer.append("HTTP/1.1 ")
        writer.append(decimal: UInt64(clamping: status))
        writer.append(text: " \(phrase(status))\r\n")
        for (name, value) in headers where isSafe(name) && isSafe(value) {
            writer.append(text: "\(name): \(value)\r\n")
        }
        writer.append("Content-Length: ")
        writer.append(decimal: UInt64(body.count))
        writer.append("\r\nConnection: close\r\n\r\n")
        writer.append(body)
    }

    package static func write(status: Int, headers: [(String, String)], body: String, to writer: ByteWriter) {
        var body = body
        body.withUTF8 { write(status: status, headers: headers, body: UnsafeRawBufferPointer($0), to: writer) }
    }

    /// Whether a header part cannot end its line early.
    private static func isSafe(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 == 9 || ($0 >= 0x20 && $0 != 0x7F) }
    }

    package static func phrase(_ status: Int) -> String {
        switch status {
        case 101: "Switching Protocols"
        case 200: "OK"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 414: "URI Too Long"
        case 426: "Upgrade Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        default: "Status"
        }
    }
}
