/// Whole responses with a body, after which the connection is closed (RFC 9112).
package enum HTTPResponse {
    /// A header whose name or value could end its line early is left out, whatever its origin.
    ///
    /// - Parameter isHead: The request was a HEAD: the body is measured and not sent (RFC 9110 9.3.2).
    package static func write(
        status: Int, headers: [(String, String)], body: UnsafeRawBufferPointer, isHead: Bool = false,
        to writer: ByteWriter
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
        if !isHead { writer.append(body) }
    }

    package static func write(
        status: Int, headers: [(String, String)], body: String, isHead: Bool = false, to writer: ByteWriter
    ) {
        var body = body
        body.withUTF8 {
            write(status: status, headers: headers, body: UnsafeRawBufferPointer($0), isHead: isHead, to: writer)
        }
    }

    /// What was asked for is done, and there is nothing to say about it (RFC 9110 15.3.5: no Content-Length).
    package static func writeNoContent(headers: [(String, String)], to writer: ByteWriter) {
        writer.append("HTTP/1.1 204 No Content\r\n")
        for (name, value) in headers where FieldText.isToken(name.utf8) && FieldText.isValue(value.utf8) {
            writer.append(text: "\(name): \(value)\r\n")
        }
        writer.append("Connection: close\r\n\r\n")
    }

    package static func phrase(_ status: Int) -> String {
        switch status {
        case 101: "Switching Protocols"
        case 200: "OK"
        case 202: "Accepted"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 411: "Length Required"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 417: "Expectation Failed"
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
