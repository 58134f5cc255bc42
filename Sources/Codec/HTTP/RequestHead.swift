/// The head of a request on the client port.
package struct RequestHead: Sendable {
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
    package let headers: [Field]

    /// The value of a header given once or first.
    package func header(_ name: String) -> String? {
        headers.first { $0.name == name }?.value
    }

    /// Whether a header that is a list of tokens has this one, whatever its case (RFC 9110 5.6.1).
    package func header(_ name: String, hasToken token: String) -> Bool {
        elements(of: name).contains { $0.lowercased() == token }
    }

    /// The elements of a header that is a list, from all its lines.
    package func elements(of name: String) -> [String] {
        headers.filter { $0.name == name }
            .flatMap { $0.value.split(separator: ",") }
            .map { $0.trimmed }
            .filter { !$0.isEmpty }
    }

    /// The subprotocols the client offers, best first (RFC 6455 4.1).
    package var protocols: [String] { elements(of: "sec-websocket-protocol") }

    /// Whether a body follows. The client port takes none.
    package var hasBody: Bool {
        header("transfer-encoding") != nil || header("content-length").map { $0 != "0" } ?? false
    }
}

extension Substring {
    /// Without spaces and tabs around it.
    fileprivate var trimmed: String {
        var rest = self
        while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return String(rest)
    }
}

/// What a request head may be.
package struct HTTPLimits: Sendable {
    /// The whole head, in bytes.
    package var totalBytes = 16 * 1024
    /// Header lines.
    package var fields = 64
    /// One header line, in bytes.
    package var fieldBytes = 8 * 1024
    /// The request target, in bytes.
    package var targetBytes = 4 * 1024

    package init() {}
}
