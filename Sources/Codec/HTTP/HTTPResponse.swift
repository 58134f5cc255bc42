/// Whole responses with a body, after which the connection is closed (RFC 9112).
package enum HTTPResponse {
    /// A header whose name or value could end its line early is left out, whatever its origin.
    package static func write(
        status: Int, headers: [(String, String)], body: UnsafeRawBufferPointer, to writer: ByteWriter
    ) {
        writer.append("HTTP/1.1 ")
        writer.append(decimal: UInt64(clamping: status))
        writer.append(text: " \(phrase(status))\r\n")
        for (name, value) in headers where FieldText.isToken(name.utf8) && FieldText.isValue(value.utf8) {
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
