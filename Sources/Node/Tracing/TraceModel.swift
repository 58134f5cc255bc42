package import Codec

/// A trace as nodes tell each other of it.

/// One message of a connection that is traced.
package struct TraceEntry: Codable, Equatable, Sendable {
    /// `in` for what the client sent, `out` for what it was sent.
    package var direction: PlainText
    /// In milliseconds since 1970.
    package var time: Count
    /// Of a WebSocket frame: text, binary, ping, pong or close; nil for what is none.
    package var opcode: PlainText?
    /// What it is where there are no frames: event, line, message or request; for frames that break the protocol: invalid.
    package var kind: PlainText?
    package var shown: ShownBytes
    /// Whether a token was blotted out.
    package var redacted: Bool
}

package enum TraceItem: Codable, Equatable, Sendable {
    case message(TraceEntry)
    /// Messages that are not shown because there were too many.
    case leftOut(LeftOut)
    /// Nothing follows, and why: time, closed, or what else happened.
    case ended(PlainText)

    /// What it counts while it waits, in bytes.
    var weight: Int {
        switch self {
        case .message(let entry): 256 + entry.shown.data.utf8.count
        case .leftOut, .ended: 256
        }
    }
}

/// Why a connection is not traced.
package enum TraceRefusal: String, Codable, Error {
    /// It is not there.
    case unknown
    /// As many are traced on its node as may be.
    case tooMany = "too_many"
}
