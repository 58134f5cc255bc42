package import Glibc

/// How far a handshake has come.
package enum HandshakeResult: Equatable, Sendable {
    /// Data can be sent and received. Some may have come already: read before waiting.
    case done
    /// Go on when the socket is readable.
    case wantsRead
    /// Go on when the socket is writable.
    case wantsWrite
    /// Close.
    case failed(TLSFailure)
}

/// What a session or a link reads from and writes to: a socket, or TLS on a socket.
///
/// A trivial handle, like the descriptor in it: copies are the same connection, and it is closed once. On an encrypted
/// stream two rules hold that hold on a plain one by themselves:
/// - After `send` or `writev` would block or took less than offered, the next one begins with the same bytes, at
///   least `committedBytes` of them: they are encrypted already. Where they are in memory does not matter.
/// - Where a loop stops reading before `.wouldBlock`, it goes on while `hasPending`, because the socket may not be
///   readable again. A read into 34 KiB or more leaves no bytes behind, so there it is only an end or a failure that
///   waits.
package struct Stream {
    package let descriptor: Int32
    package let tls: TLSEndpoint?

    @inlinable
    package init(descriptor: Int32) {
        self.descriptor = descriptor
        tls = nil
    }

    /// Encrypts a socket as a server or, with the name of the server, as a client. When this fails the descriptor is
    /// still open.
    package init(descriptor: Int32, context: TLSContext, serverName: String? = nil) throws(TLSError) {
        self.descriptor = descriptor
        tls = try TLSEndpoint(descriptor: descriptor, context: context, serverName: serverName)
    }

    @inlinable package var isEncrypted: Bool { tls != nil }

    /// Goes on with the handshake; costs up to a millisecond of CPU per step on the server.
    package func handshake() -> HandshakeResult { tls?.handshake() ?? .done }

    @inlinable
    package func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadResult {
        if let tls { return tls.read(into: buffer) }
        return Socket.read(descriptor, into: buffer)
    }

    @inlinable
    package func send(_ bytes: UnsafeRawBufferPointer) -> WriteResult {
        if let tls { return tls.send(bytes) }
        return Socket.send(descriptor, bytes)
    }

    package func writev(_ vectors: UnsafePointer<iovec>, _ count: Int32) -> WriteResult {
        if let tls { return tls.writev(vectors, count) }
        return Socket.writev(descriptor, vectors, count)
    }

    /// Whether `read` has something though the socket may not be readable. Not before the handshake is done.
    @inlinable package var hasPending: Bool { tls?.hasPending ?? false }

    /// Another thread goes on with this connection.
    package func leaveThread() { tls?.leaveThread() }

    /// How many of the bytes that were offered and not taken have to be offered again.
    @inlinable package var committedBytes: Int { tls?.committedBytes ?? 0 }

    /// After a send that would block: it waits for something to read, and is repeated after the next `read`; the
    /// socket being writable says nothing (a message of TLS itself is half in).
    @inlinable package var sendWaitsForRead: Bool { tls?.sendWaitsForRead ?? false }

    /// After a read that would block: it waits until the socket is writable.
    @inlinable package var readWaitsForWrite: Bool { tls?.readWaitsForWrite ?? false }

    /// Says that no more will be sent; what the other side sends can still be read.
    ///
    /// - Returns: Whether it was said. When not, the socket is full: repeat it when it is writable.
    @discardableResult
    package func shutdownWrite() -> Bool {
        if let tls { return tls.shutdownWrite() }
        Socket.shutdownWrite(descriptor)
        return true
    }

    package func close() {
        tls?.close()
        Socket.close(descriptor)
    }

    /// Why an encrypted stream failed: what lies behind the errno of a result.
    package var failure: TLSFailure? { tls?.failure }

    package var negotiated: TLSNegotiated? { tls?.negotiated }
}
