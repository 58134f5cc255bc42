internal import COpenSSL

/// The calling thread's queue of errors inside OpenSSL.
enum OpenSSLError {
    static func reason(of code: UInt) -> Int32 { ERR_GET_REASON(code) }

    static func library(of code: UInt) -> Int32 { ERR_GET_LIB(code) }

    /// What a code means, in OpenSSL's words.
    static func text(of code: UInt) -> String {
        if let reason = ERR_reason_error_string(code) { return String(cString: reason) }
        return code == 0 ? "no reason given" : "error \(String(code, radix: 16))"
    }

    /// The oldest error, which is nearest to the cause; forgets all.
    static func take() -> String {
        let code = ERR_peek_error()
        ERR_clear_error()
        return text(of: code)
    }
}
