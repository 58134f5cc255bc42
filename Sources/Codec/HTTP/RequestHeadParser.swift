/// Reads a request head strictly (RFC 9112): what two programs could read in two ways is refused, because between them
/// there is room for smuggling. Targets are paths, or whole addresses as a proxy is sent them (RFC 9112 3.2.1 and 3.2.2).
package enum RequestHeadParser {
    package enum Parsed {
        case incomplete
        /// A head, and how many bytes it took.
        case head(RequestHead, consumed: Int)
        case failure(HTTPError)
    }

    private typealias Line = Slice<UnsafeRawBufferPointer>

    /// Reads what came so far, from the first byte on. What more bytes cannot mend is refused without waiting for them.
    package static func parse(_ bytes: UnsafeRawBufferPointer, limits: HTTPLimits) -> Parsed {
        do {
            guard let end = try endOfHead(bytes, limits) else { return .incomplete }
            let head = try parse(whole: UnsafeRawBufferPointer(rebasing: bytes[..<end]), limits)
            return .head(head, consumed: end)
        } catch {
            return .failure(error)
        }
    }

    /// Where the empty line after the head ends, or nil while it has not come.
    private static func endOfHead(_ bytes: UnsafeRawBufferPointer, _ limits: HTTPLimits) throws(HTTPError) -> Int? {
        guard let first = bytes.first else { return nil }
        guard FieldText.isTokenByte(first) else {
            throw .badRequest("the request does not begin with a method")
        }
        let seen = UnsafeRawBufferPointer(rebasing: bytes.prefix(limits.totalBytes))
        var start = 0
        while true {
            let end = seen.lineFeed(from: start)
            // The method and the version beside the target are short. Whether the line's end is here must not matter.
            if start == 0, end > limits.targetBytes + 64 { throw .targetTooLong(limits) }
            guard end < seen.count else { break }
            guard end > start, seen[end - 1] == 0x0D else { throw .badRequest("a line does not end with CR LF") }
            if end == start + 1 { return end + 1 }
            start = end + 1
        }
        if bytes.count >= limits.totalBytes { throw .headTooLarge(limits) }
        return nil
    }

    private static func parse(whole: UnsafeRawBufferPointer, _ limits: HTTPLimits) throws(HTTPError) -> RequestHead {
        var start = whole.lineFeed(from: 0) + 1
        let (method, target, version) = try parseRequestLine(whole[..<(start - 2)], limits)
        var fields: [RequestHead.Field] = []
        fields.reserveCapacity(16)
        while start < whole.count - 2 {
            let end = whole.lineFeed(from: start)
            guard fields.count < limits.fields else { throw .tooManyHeaders(limits) }
            fields.append(try parseField(whole[start..<(end - 1)], limits))
            start = end + 1
        }
        let (authority, origin) = try splitTarget(target)
        let (path, query) = try parseTarget(origin)
        let head = RequestHead(
            method: method, target: origin, path: path, query: query, version: version, headers: fields)
        try check(head)
        guard let authority else { return head }
        // An address in the target counts more than the `Host` beside it.
        let headers =
            [RequestHead.Field(name: "host", value: authority)] + fields.filter { $0.name != "host" }
        return RequestHead(
            method: method, target: origin, path: path, query: query, version: version, headers: headers)
    }

    /// The host of a target that is a whole address, and the path and query of any.
    private static func splitTarget(_ target: String) throws(HTTPError) -> (authority: String?, origin: String) {
        let bytes = target.utf8
        if bytes.first == UInt8(ascii: "/") { return (nil, target) }
        guard
            let scheme = ["http://", "https://"].first(where: {
                FieldText.isSame(bytes.prefix($0.utf8.count), lower: $0.utf8)
            })
        else { throw .badRequest("the target is neither a path nor an http address") }
        let rest = bytes.dropFirst(scheme.utf8.count)
        let authority = rest.prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
        guard !authority.isEmpty, FieldText.isHost(authority) else {
            throw .badRequest("the address in the target has no host")
        }
        let path = rest[authority.endIndex...]
        let origin = String(Substring(path))
        return (String(Substring(authority)), path.first == UInt8(ascii: "/") ? origin : "/" + origin)
    }

    private static func parseRequestLine(
        _ line: Line, _ limits: HTTPLimits
    ) throws(HTTPError) -> (method: String, target: String, version: RequestHead.Version) {
        let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 3, FieldText.isToken(parts[0]) else {
            throw .badRequest("the request line is not METHOD TARGET HTTP/1.1")
        }
        guard parts[1].count <= limits.targetBytes else { throw .targetTooLong(limits) }
        guard FieldText.isValue(parts[2]), parts[2].starts(with: "HTTP/".utf8) else {
            throw .badRequest("the request line does not end with HTTP/1.1")
        }
        let text = String(decoding: parts[2], as: UTF8.self)
        guard let version = RequestHead.Version(rawValue: text) else { throw .version(text) }
        // A fragment is never sent (RFC 9112 3.2), and what comes after a number sign somebody else might drop.
        guard !parts[1].isEmpty, parts[1].allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") })
        else { throw .badRequest("the target is not a path") }
        return (String(decoding: parts[0], as: UTF8.self), String(decoding: parts[1], as: UTF8.self), version)
    }

    private static func parseField(_ line: Line, _ limits: HTTPLimits) throws(HTTPError) -> RequestHead.Field {
        guard line.count <= limits.fieldBytes else { throw .headerTooLarge(limits) }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { throw .badRequest("a header has no colon") }
        let name = line[..<colon]
        // Also refuses a space before the colon and lines folded with white space (RFC 9112 5.1 and 5.2).
        guard FieldText.isToken(name) else { throw .badRequest("a header name has a byte that is not allowed") }
        let value = FieldText.trimmed(line[(colon + 1)...])
        // Also refuses a CR that stands alone.
        guard FieldText.isValue(value) else { throw .badRequest("a header value has a control byte") }
        return RequestHead.Field(
            name: String(decoding: name, as: UTF8.self).lowercased(), value: String(decoding: value, as: UTF8.self))
    }

    private static func parseTarget(
        _ target: String
    ) throws(HTTPError) -> (path: String, query: [(name: String, value: String)]) {
        let bytes = target.utf8
        let question = bytes.firstIndex(of: UInt8(ascii: "?"))
        guard let path = PercentDecoding.decode(bytes[..<(question ?? bytes.endIndex)], plusIsSpace: false) else {
            throw .badRequest("the path is not valid percent-encoded UTF-8")
        }
        guard let question else { return (path, []) }
        var query: [(name: String, value: String)] = []
        for pair in bytes[bytes.index(after: question)...].split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "="))
            guard let name = PercentDecoding.decode(pair[..<(equals ?? pair.endIndex)], plusIsSpace: true),
                let value = PercentDecoding.decode(
                    equals.map { pair[pair.index(after: $0)...] } ?? pair[pair.endIndex...], plusIsSpace: true)
            else { throw .badRequest("the query is not valid percent-encoded UTF-8") }
            query.append((name, value))
        }
        return (path, query)
    }

    /// What the headers say together.
    private static func check(_ head: RequestHead) throws(HTTPError) {
        let hosts = head.headers.filter { $0.name == "host" }
        guard hosts.count <= 1 else { throw .badRequest("there is more than one Host header") }
        if let host = hosts.first {
            guard FieldText.isHost(host.value.utf8) else { throw .badRequest("the Host header is not a host") }
        } else if head.version == .http11 {
            throw .badRequest("the Host header is missing")
        }
        // One program would believe the first and another the last (RFC 9110 5.3: it is no list).
        guard head.headers.count(where: { $0.name == "authorization" }) <= 1 else {
            throw .badRequest("there is more than one Authorization header")
        }
        let lengths = head.headers.filter { $0.name == "content-length" }
        let isEncoded = head.headers.contains { $0.name == "transfer-encoding" }
        guard lengths.count <= 1, lengths.isEmpty || !isEncoded else {
            throw .badRequest("the length of the body is given in two ways")
        }
        if let length = lengths.first?.value {
            guard !length.isEmpty, length.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") })
            else { throw .badRequest("Content-Length is not a number") }
        }
    }
}
