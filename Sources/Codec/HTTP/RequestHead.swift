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
    /// As it was sent.
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
