/// Why a connection ended.
package enum ConnectionClosed: Error, Equatable, Sendable, CustomStringConvertible {
    /// The other side closed it.
    case byPeer
    /// We closed it.
    case locally
    case connectTimedOut
    /// It was established, and then the TLS handshake did not come to an end.
    case handshakeTimedOut
    /// It could not be encrypted, or broke while it was.
    case tls(TLSFailure)
    /// TLS could not be begun.
    case tlsSetup(TLSError)
    case failed(SystemError)
    /// More waits to be sent than may: the other side does not read.
    case outboundLimit(bytes: Int)

    package var description: String {
        switch self {
        case .byPeer: "the other side closed the connection"
        case .locally: "closed on request"
        case .connectTimedOut: "the connection was not established in time"
        case .handshakeTimedOut:
            "the connection was established, but the TLS handshake was not finished in time; is this a port for TLS?"
        case .tls(let failure): failure.description
        case .tlsSetup(let error): error.description
        case .failed(let error): error.description
        case .outboundLimit(let bytes): "more than \(bytes) bytes wait to be sent"
        }
    }
}
