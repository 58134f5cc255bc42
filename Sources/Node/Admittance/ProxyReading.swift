import Codec
import Reactor

/// The header with which a balancer begins a connection (PROXY protocol, versions 1 and 2).
extension Admittance {
    /// Reads the header and not a byte more, because what follows it may be for somebody else: TLS reads from the socket
    /// itself.
    func readProxyHeader(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        let early = extras(slot)?.early.count ?? 0
        let room = UnsafeMutableRawBufferPointer(
            rebasing: reactor.readBuffer[..<(ProxyHeaderParser.maximumHeaderBytes - early)])
        let descriptor = session.pointee.stream.descriptor
        switch Socket.peek(descriptor, into: room) {
        case .bytes(let count):
            let whole = (takeEarly(slot) ?? []) + room[..<count]
            switch whole.withUnsafeBytes({ ProxyHeaderParser.parse($0) }) {
            case .incomplete:
                // All of it belongs to the header.
                whole.withUnsafeBytes { keepEarly(slot, $0) }
                take(count, from: descriptor)
            case .header(let header, let consumed):
                take(consumed - early, from: descriptor)
                introduced(slot, session, header)
            case .malformed:
                context.counters.proxyErrors += 1
                life.drop(slot)
            }
        case .wouldBlock:
            break
        case .end, .failed:
            // Balancers probe with a connection that says nothing; that is no error.
            life.drop(slot)
        }
    }

    /// Reads what was only looked at before.
    func take(_ count: Int, from descriptor: Int32) {
        guard count > 0 else { return }
        context.counters.bytesIn &+= UInt64(count)
        _ = Socket.read(descriptor, into: UnsafeMutableRawBufferPointer(rebasing: reactor.readBuffer[..<count]))
    }

    private func introduced(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ header: ProxyHeader
    ) {
        if let source = header.source { session.pointee.peer = PeerAddress(SocketAddress(source)) }
        guard admit(slot) else { return }
        beginRequest(slot, session)
    }
}
