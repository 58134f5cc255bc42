import Authentication

/// By what a receiver knows that a request comes from a node, and that it is not an old one.
package enum WebhookSignature {
    package static let timeHeader = "carillon-time"
    package static let header = "carillon-signature"

    /// For each secret `sha256=` and the HMAC-SHA-256 (RFC 2104), with the secret, of the time in decimal digits, a dot, and the
    /// body; hexadecimal. With spaces between, as Standard Webhooks has it: a receiver looks for one that it can make itself.
    ///
    /// - Parameter time: In seconds since 1970.
    package static func of(_ body: [UInt8], time: UInt64, secrets: [String]) -> String {
        let signed = Array("\(time).".utf8) + body
        return secrets.map { "sha256=" + TextDigest.keyed(by: Array($0.utf8), signed) }.joined(separator: " ")
    }
}
