/// Signs what other programs check with a secret that both know.
package enum SharedSecret {
    /// HMAC-SHA-256 (RFC 2104) in hexadecimal, lower case; nil when OpenSSL has no memory, or its configuration leaves the function out.
    package static func signature(of message: [UInt8], with secret: [UInt8]) -> String? {
        guard let code = Secret(secret).code(over: message, with: .sha256) else { return nil }
        let digits = Array("0123456789abcdef".utf8)
        // trap-ok: half of a byte becomes wider
        return String(decoding: code.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 0x0F)]] }, as: UTF8.self)
    }
}
