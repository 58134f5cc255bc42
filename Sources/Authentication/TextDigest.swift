/// Digests of texts, as hexadecimal digits: to see whether two are the same without showing them.
package enum TextDigest {
    /// SHA-256 (FIPS 180-4): 64 digits.
    package static func of(_ text: String) -> String { hexadecimal(HashFunction.sha256.digest(of: Array(text.utf8))) }

    /// HMAC with SHA-256 (RFC 2104): 64 digits. Whoever does not know the text cannot compare digests that were made with different keys.
    package static func keyed(by key: [UInt8], _ text: String) -> String {
        hexadecimal(Secret(key).code(over: Array(text.utf8), with: .sha256))
    }

    /// The same of bytes.
    package static func keyed(by key: [UInt8], _ bytes: [UInt8]) -> String {
        hexadecimal(Secret(key).code(over: bytes, with: .sha256))
    }

    private static func hexadecimal(_ bytes: [UInt8]?) -> String {
        guard let bytes else {
            // trap-ok: no text makes it fail, and without SHA-256 all texts would look the same
            fatalError("OpenSSL has no SHA-256: is it left out by its configuration (openssl.cnf)?")
        }
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])  // trap-ok: four bits index 16 digits
            text.append(digits[Int(byte & 15)])  // trap-ok: four bits index 16 digits
        }
        return String(decoding: text, as: UTF8.self)
    }
}
