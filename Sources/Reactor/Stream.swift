package import Glibc

/// What a session or a link reads from and writes to.
///
/// The seam for TLS: whoever holds a stream knows nothing of the descriptor's calls, so an encrypted stream is a
/// second case here and changes nobody else.
package struct Stream {
    package let descriptor: Int32

    @inlinable
    package init(descriptor: Int32) { self.descriptor = descriptor }

    @inlinable
    package func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadResult {
        Socket.read(descriptor, into: buffer)
    }

    @inlinable
    package func send(_ bytes: UnsafeRawBufferPointer) -> WriteResult { Socket.send(descriptor, bytes) }

    package func writev(_ vectors: UnsafePointer<iovec>, _ count: Int32) -> WriteResult {
        Socket.writev(descriptor, vectors, count)
    }

    /// Says that no more will be sent; what the other side sends can still be read.
    package func shutdownWrite() { Socket.shutdownWrite(descriptor) }

    package func close() { Socket.close(descriptor) }
}
