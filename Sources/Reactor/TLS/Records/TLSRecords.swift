/// The state of a connection whose records are ours: what remains of TLS after the handshake.
struct TLSRecords: ~Copyable {
    // What a delivery needs comes first.
    var outbound: TLSOutbound
    /// Records that the socket has not taken yet, as they were made.
    var unsent = KeptBytes()
    var inbound: TLSInbound
    /// The beginning of a record whose end has not come yet.
    var incomplete = KeptBytes()
    /// Content that did not fit into the reader's buffer.
    var unread = KeptBytes()
    /// Why nothing works any more, unless it was the socket.
    var fault: TLSRecordFault?
    /// The alert of the other side that ended the connection.
    var alert: UInt8?
    let isResumed: Bool
    let hasProtocol: Bool
    /// What the other side said of itself, where it said something.
    let peer: TLSPeer?

    init(
        outbound: consuming TLSOutbound, inbound: consuming TLSInbound, isResumed: Bool, hasProtocol: Bool,
        peer: TLSPeer?
    ) {
        self.outbound = outbound
        self.inbound = inbound
        self.isResumed = isResumed
        self.hasProtocol = hasProtocol
        self.peer = peer
    }

    mutating func wipe() {
        outbound.wipe()
        inbound.wipe()
    }
}

/// What is to be remembered of a client that named a server, or showed a certificate.
final class TLSPeer {
    let serverName: String?
    let certificate: TLSCertificate?

    /// Nil when there is nothing to remember.
    init?(serverName: String?, certificate: TLSCertificate?) {
        guard serverName != nil || certificate != nil else { return nil }
        self.serverName = serverName
        self.certificate = certificate
    }
}
