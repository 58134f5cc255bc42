/// Reads a request head strictly (RFC 9112): what two programs could read in two ways is refused, because between them
/// there is room for smuggling.
package enum RequestHeadParser {
    package enum Parsed {
        case incomplete
        /// A head, and how many bytes it took.
        case head(RequestHead, consumed: Int)
        case failure(HTTPError)
    }

    package static func parse(_ bytes: UnsafeRawBufferPointer, limits: HTTPLimits) -> Parsed {
        guard let end = endOfHead(bytes) else {
            if bytes.count > limits.totalBytes { return .failure(tooLarge(limits)) }
            // Said early where more bytes cannot mend it.
            if let first = bytes.first, !isTokenByte(first) {
                return .failure(badRequest("the request does not begin with a method"))
            }
            if bytes.count > limits.targetBytes + 64, !bytes.prefix(limits.targetBytes + 64).contains(10) {
                return .failure(targetTooLong(limits))
            }
            return .incomplete
        }
        guard end <= limits.totalBytes else { return .failure(tooLarge(limits)) }
        do {
            let head = try parse(whole: UnsafeRawBufferPointer(rebasing: bytes[..<end]), limits)
            return .head(head, consumed: end)
        } catch {
            return .failure(error)
        }
    }

    /// Where the empty line after the head ends.
    private static func endOfHead(_ bytes: UnsafeRawBufferPointer) -> Int? {
        var index = 3
        while index < bytes.count {
            if bytes[index] == 10, bytes[index - 1] == 13, bytes[index - 2] == 10, bytes[index - 3] == 13 {
                return index + 1
            }
            index += 1
        }
        return nil
    }

    private static func parse(whole: UnsafeRawBufferPointer, _ limits: HTTPLimits) throws(HTTPError) -> RequestHead {
        var lines: [Slice<UnsafeRawBufferPointer>] = []
        var start = 0
        for index in whole.indices where whole[index] == 10 {
            guard index > start, whole[index - 1] == 13 else {
                throw badRequest("a line does not end with CR LF")
            }
            lines.append(whole[start..<(index - 1)])
            start = index + 1
        }
        for line in lines where line.contains(13) { throw badRequest("a CR stands alone") }
        guard let requestLine = lines.first else { throw badRequest("the request line is missing") }
        let (method, target) = try parseRequestLine(requestLine, limits)

        var fields: [RequestHead.Field] = []
        for line in lines.dropFirst() where !line.isEmpty {
            guard fields.count < limits.fields else {
                throw HTTPError(
                    status: 431, code: "too_many_headers", message: "a request has at most \(limits.fields) headers")
            }
            fields.append(try parseField(line, limits))
        }
        let (path, query) = try parseTarget(target)
        let head = RequestHead(
            method: method, target: target, path: path, query: query, headers: fields)
        try check(head)
        return head
    }

    private static func parseRequestLine(
        _ line: Slice<UnsafeRawBufferPointer>, _ limits: HTTPLimits
    ) throws(HTTPError) -> (method: String, target: String) {
        let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[0].allSatisfy(isTokenByte) else {
            throw badRequest("the request line is not METHOD TARGET HTTP/1.1")
        }
        guard parts[1].count <= limits.targetBytes else { throw targetTooLong(limits) }
        guard parts[1].first == UInt8(ascii: "/"), parts[1].allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw badRequest("the target is not a path")
        }
        let version = String(decoding: parts[2], as: UTF8.self)
        guard version == "HTTP/1.1" else {
            if version.hasPrefix("HTTP/") {
                throw HTTPError(
                    status: 505, code: "http_version", message: "only HTTP/1.1 is spoken here, not \(safe(version))")
            }
            throw badRequest("the request line does not end with HTTP/1.1")
        }
        return (String(decoding: parts[0], as: UTF8.self), String(decoding: parts[1], as: UTF8.self))
    }

    private static func parseField(
        _ line: Slice<UnsafeRawBufferPointer>, _ limits: HTTPLimits
    ) throws(HTTPError) -> RequestHead.Field {
        guard line.count <= limits.fieldBytes else {
            throw HTTPError(
                status: 431, code: "header_too_large", message: "a header has at most \(limits.fieldBytes) bytes")
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { throw badRequest("a header has no colon") }
        let name = line[line.startIndex..<colon]
        // Also refuses a space before the colon and lines folded with white space (RFC 9112 5.1 and 5.2).
        guard !name.isEmpty, name.allSatisfy(isTokenByte) else {
            throw badRequest("a header name has a byte that is not allowed")
        }
        var value = line[(colon + 1)...]
        while let first = value.first, first == 0x20 || first == 9 { value = value.dropFirst() }
        while let last = value.last, last == 0x20 || last == 9 { value = value.dropLast() }
        guard value.allSatisfy({ $0 == 9 || ($0 >= 0x20 && $0 != 0x7F) }) else {
            throw badRequest("a header value has a control byte")
        }
        return RequestHead.Field(
            name: String(decoding: name, as: UTF8.self).lowercased(), value: String(decoding: value, as: UTF8.self))
    }

    private static func parseTarget(
        _ target: String
    ) throws(HTTPError) -> (path: String, query: [(name: String, value: String)]) {
        let bytes = target.utf8
        let question = bytes.firstIndex(of: UInt8(ascii: "?"))
        guard let path = PercentDecoding.decode(bytes[..<(question ?? bytes.endIndex)], plusIsSpace: false) else {
            throw badRequest("the path is not valid percent-encoded UTF-8")
        }
        guard let question else { return (path, []) }
        var query: [(name: String, value: String)] = []
        for pair in bytes[bytes.index(after: question)...].split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "="))
            guard let name = PercentDecoding.decode(pair[..<(equals ?? pair.endIndex)], plusIsSpace: true),
                let value = PercentDecoding.decode(
                    equals.map { pair[pair.index(after: $0)...] } ?? pair[pair.endIndex...], plusIsSpace: true)
            else { throw badRequest("the query is not valid percent-encoded UTF-8") }
            query.append((name, value))
        }
        return (path, query)
    }

    private static func check(_ head: RequestHead) throws(HTTPError) {
        let hosts = head.headers.count { $0.name == "host" }
        guard hosts == 1 else {
            throw badRequest(hosts == 0 ? "the Host header is missing" : "there is more than one Host header")
        }
        let lengths = head.headers.filter { $0.name == "content-length" }
        let isChunked = head.headers.contains { $0.name == "transfer-encoding" }
        guard lengths.count <= 1, lengths.isEmpty || !isChunked else {
            throw badRequest("the length of the body is given in two ways")
        }
        if let length = lengths.first?.value {
            guard !length.isEmpty, length.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
                throw badRequest("Content-Length is not a number")
            }
        }
    }

    /// RFC 9110 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    private static func safe(_ text: String) -> String { String(text.prefix(16)) }

    private static func badRequest(_ message: String) -> HTTPError {
        HTTPError(status: 400, code: "bad_request", message: message)
    }

    private static func tooLarge(_ limits: HTTPLimits) -> HTTPError {
        HTTPError(
            status: 431, code: "head_too_large", message: "a request head has at most \(limits.totalBytes) bytes")
    }

    private static func targetTooLong(_ limits: HTTPLimits) -> HTTPError {
        HTTPError(
            status: 414, code: "target_too_long", message: "a request target has at most \(limits.targetBytes) bytes")
    }
}
