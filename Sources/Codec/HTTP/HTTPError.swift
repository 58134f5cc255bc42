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

    /// In how many seconds the client may try again, if it may.
    // trap-ok: a text that is no number is nil
    package var retryAfter: Int? { headers.first { $0.name == "Retry-After" }.flatMap { Int($0.value) } }

    /// The whole response; the connection is closed after it.
    ///
    /// - Parameters:
    ///   - more: Headers beside its own.
    ///   - isHead: The request was a HEAD.
    package func write(adding more: [(String, String)] = [], isHead: Bool = false, to writer: ByteWriter) {
        let body = ByteWriter(capacity: 256)
        body.append(#"{"error":{"code":"#)
        JSONWriter.writeString(code, to: body)
        body.append(#","message":"#)
        JSONWriter.writeString(message, to: body)
        body.append("}}\n")
        HTTPResponse.write(
            status: status,
            headers: [("Content-Type", "application/json")] + headers.map { ($0.name, $0.value) } + more,
            body: body.bytes, isHead: isHead, to: writer)
    }
}

extension HTTPError {
    static func badRequest(_ message: String) -> HTTPError {
        HTTPError(status: 400, code: "bad_request", message: message)
    }

    static func targetTooLong(_ limits: HTTPLimits) -> HTTPError {
        HTTPError(
            status: 414, code: "target_too_long", message: "a request target has at most \(limits.targetBytes) bytes")
    }

    static func headTooLarge(_ limits: HTTPLimits) -> HTTPError {
        HTTPError(
            status: 431, code: "head_too_large", message: "a request head has at most \(limits.totalBytes) bytes")
    }

    static func headerTooLarge(_ limits: HTTPLimits) -> HTTPError {
        HTTPError(
            status: 431, code: "header_too_large", message: "a header has at most \(limits.fieldBytes) bytes")
    }

    static func tooManyHeaders(_ limits: HTTPLimits) -> HTTPError {
        HTTPError(status: 431, code: "too_many_headers", message: "a request has at most \(limits.fields) headers")
    }

    static func version(_ version: String) -> HTTPError {
        HTTPError(
            status: 505, code: "http_version", message: "only HTTP/1.1 is spoken here, not \(version.prefix(16))")
    }
}
