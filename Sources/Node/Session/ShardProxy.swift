import Codec
import Reactor

/// The header with which a balancer begins a connection (PROXY protocol, versions 1 and 2).
extension Shard {
    /// Reads the header and not a byte more, because what follows it may be for somebody else: TLS reads from the socket
    /// itself.
    func readProxyHeader(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        let held = session.pointee.early?.pointee.count ?? 0
        let room = UnsafeMutableRawBufferPointer(
            rebasing: reactor.readBuffer[..<(ProxyHeaderParser.maximumHeaderBytes - held)])
        let descriptor = session.pointee.stream.descriptor
        switch Socket.peek(descriptor, into: room) {
        case .bytes(let count):
            let fresh = UnsafeMutableRawBufferPointer(rebasing: room[..<count])
            var whole = fresh
            if let early = session.pointee.early {
                early.pointee.append(UnsafeRawBufferPointer(fresh))
                whole = early.pointee.bytes
            }
            switch ProxyHeaderParser.parse(UnsafeRawBufferPointer(whole)) {
            case .incomplete:
                // All of it belongs to the header.
                if session.pointee.early == nil { keepEarly(session, fresh) }
                take(count, from: descriptor)
            case .header(let header, let consumed):
                take(consumed - held, from: descriptor)
                table.freeEarly(slot)
                introduced(slot, session, header)
            case .malformed:
                counters.proxyErrors += 1
                drop(slot)
            }
        case .wouldBlock:
            break
        case .end, .failed:
            // Balancers probe with a connection that says nothing; that is no error.
            drop(slot)
        }
    }

    /// Reads what was only looked at before.
    private func take(_ count: Int, from descriptor: Int32) {
        guard count > 0 else { return }
        counters.bytesIn &+= UInt64(count)
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
