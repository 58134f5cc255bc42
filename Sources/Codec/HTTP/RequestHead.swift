/// The head of a request on the client port.
package struct RequestHead: Sendable {
    package enum Version: String, Sendable {
        /// What balancers like to probe with. No WebSocket is opened with it.
        case http10 = "HTTP/1.0"
        case http11 = "HTTP/1.1"
    }

    package struct Field: Equatable, Sendable {
        /// In lower case.
        package let name: String
        /// Without white space around it.
        package let value: String
    }

    package let method: String
    /// Path and query as they were sent; a host in front of them is in `Host` instead.
    package let target: String
    /// Percent-decoded, without the query.
    package let path: String
    /// Percent-decoded, in the order sent; `+` is a space.
    package let query: [(name: String, value: String)]
    package let version: Version
    package let headers: [Field]

    /// The value of a header given once or first. The name in lower case.
    package func header(_ name: String) -> String? {
        headers.first { $0.name == name }?.value
    }

    /// The value of a header, its lines joined as if it had been one: `Cookie` with `; ` (RFC 6265 5.4, RFC 9113 8.2.3), all
    /// others with `, ` (RFC 9110 5.2). The name in lower case.
    package func joined(_ name: String) -> String? {
        let values = headers.lazy.filter { $0.name == name }.map(\.value)
        guard let first = values.first else { return nil }
        return values.dropFirst().reduce(into: first) { $0 += (name == "cookie" ? "; " : ", ") + $1 }
    }

    /// The target as it was sent, without the parts of the query that have one of these names.
    package func target(without names: [String]) -> String {
        func isOne(_ name: String) -> Bool { names.contains { $0.utf8.elementsEqual(name.utf8) } }
        guard query.contains(where: { isOne($0.name) }) else { return target }
        let bytes = target.utf8
        guard let question = bytes.firstIndex(of: UInt8(ascii: "?")) else { return target }
        // The query was decoded from the same parts, so each has its name there.
        let parts = bytes[bytes.index(after: question)...].split(separator: UInt8(ascii: "&"))
        let kept = zip(parts, query).filter { !isOne($1.name) }.map { String(Substring($0.0)) }
        let path = String(Substring(bytes[..<question]))
        return kept.isEmpty ? path : path + "?" + kept.joined(separator: "&")
    }

    /// Whether a header that is a list of tokens has this one, whatever its case (RFC 9110 5.6.1). Name and token in
    /// lower case.
    package func header(_ name: String, hasToken token: String) -> Bool {
        headers.contains { field in
            field.name == name
                && field.value.utf8.split(separator: UInt8(ascii: ",")).contains {
                    FieldText.isSame(FieldText.trimmed($0), lower: token.utf8)
                }
        }
    }

    /// The elements of a header that is a list, from all its lines. The name in lower case.
    package func elements(of name: String) -> [String] {
        var elements: [String] = []
        for field in headers where field.name == name {
            for element in field.value.utf8.split(separator: UInt8(ascii: ",")) {
                let trimmed = FieldText.trimmed(element)
                if !trimmed.isEmpty { elements.append(String(Substring(trimmed))) }
            }
        }
        return elements
    }

    /// The subprotocols the client offers, best first (RFC 6455 4.1).
    package var protocols: [String] { elements(of: "sec-websocket-protocol") }

    /// Whether a body follows. The client port takes none.
    package var hasBody: Bool {
        header("transfer-encoding") != nil
            || header("content-length").map { !$0.utf8.allSatisfy { $0 == UInt8(ascii: "0") } } ?? false
    }
}
