/// A reply of Redis, or an element of one (RESP2).
package enum RESPValue: Equatable, Sendable {
    case status(String)
    case error(String)
    case integer(Int64)
    /// Nil for "there is none".
    case bulk([UInt8]?)
    case array([RESPValue])

    /// Bulk strings and statuses as text.
    package var text: String? {
        switch self {
        case .status(let text): text
        case .bulk(let bytes?): String(decoding: bytes, as: UTF8.self)
        default: nil
        }
    }
}

/// What a reader hands out.
package enum RESPReply {
    /// A pub/sub message; the pointers are valid until the callback returns.
    case message(channel: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer)
    case value(RESPValue)
}

/// The stream is not RESP2, or exceeds a bound: the connection cannot go on.
package struct RESPError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
}
