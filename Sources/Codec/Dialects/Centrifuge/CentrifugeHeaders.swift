/// The `headers` of a `connect`: what a client that cannot set headers of its request, as in a browser, would have sent as
/// such (Centrifuge client protocol v2, "headers emulation").
enum CentrifugeHeaders {
    /// - Parameter object: A JSON object that was scanned.
    /// - Returns: Nil when they could not be headers, or are more than a request may have.
    static func read(_ object: UnsafeRawBufferPointer) -> [(name: String, value: String)]? {
        var headers: [(name: String, value: String)] = []
        var scanner = JSONScanner(object)
        let isWhole = scanner.members { key, scanner in
            guard scanner.next != UInt8(ascii: "n") else { return scanner.skipValue() }
            return add(JSONString.unescape(key), scanner.text(), to: &headers)
        }
        return isWhole ? headers : nil
    }

    /// - Returns: False when it could not be a header, or is one more than a request may have.
    static func add(
        _ name: [UInt8]?, _ value: [UInt8]?, to headers: inout [(name: String, value: String)]
    ) -> Bool {
        guard headers.count < HTTPLimits().fields, let name, FieldText.isToken(name), let value,
            FieldText.isValue(value)
        else { return false }
        headers.append((String(decoding: name, as: UTF8.self).lowercased(), String(decoding: value, as: UTF8.self)))
        return true
    }
}
