import Codec

/// A refusal in the words of Centrifugo's server API (its documentation, "Server API": error codes).
struct ServerAPIError: Error, Equatable {
    let code: Int
    let message: String
    /// The body cannot be read at all: then there is no answer with a code, but status 400.
    var isUnreadable = false

    /// Trying again may help.
    static func `internal`(_ why: String) -> ServerAPIError { error(100, "internal server error", why) }
    static func notFound(_ why: String) -> ServerAPIError { error(104, "not found", why) }
    static func limitExceeded(_ why: String) -> ServerAPIError { error(106, "limit exceeded", why) }
    static func badRequest(_ why: String) -> ServerAPIError { error(107, "bad request", why) }
    static func notAvailable(_ why: String) -> ServerAPIError { error(108, "not available", why) }
    static func unrecoverablePosition(_ why: String) -> ServerAPIError { error(112, "unrecoverable position", why) }

    static func unreadable(_ why: String) -> ServerAPIError {
        var error = badRequest(why)
        error.isUnreadable = true
        return error
    }

    /// What the protocol calls it comes first, for programs that compare the beginning.
    private static func error(_ code: Int, _ name: String, _ why: String) -> ServerAPIError {
        ServerAPIError(code: code, message: "\(name): \(why)")
    }

    /// The status with `X-Centrifugo-Error-Mode: transport`.
    var status: Int {
        switch code {
        case 104: 404
        case 106, 107, 108: 400
        case 112: 416
        default: 500
        }
    }

    /// `{"code":107,"message":"…"}`
    func write(to writer: ByteWriter) {
        writer.append("{\"code\":")
        writer.append(text: "\(code)")
        writer.append(",\"message\":")
        JSONWriter.writeString(message, to: writer)
        writer.append("}")
    }
}
