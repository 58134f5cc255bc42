import CLinux
internal import COpenSSL
package import Glibc

/// Data through an encrypted connection.
extension TLSEndpoint {
    /// The most a record holds (RFC 8446 5.1).
    static let recordBytes = 16384
    /// Space for a record and for what OpenSSL's buffer may hold behind it, which is at most one encrypted record.
    private static let roomToReadOn = 2 * recordBytes + 1024

    /// Fills the buffer with what has come.
    ///
    /// With a buffer of 34 KiB and more nothing complete stays inside OpenSSL: the last part of the buffer is kept for
    /// what was taken from the socket already. What was not taken makes the socket readable again.
    package func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadResult {
        if let records = state.pointee.records { return readOwn(records, into: buffer) }
        if state.pointee.marks.contains(.failed) { return .failed(failureErrno) }
        guard let start = buffer.baseAddress, buffer.count > 0 else { return .wouldBlock }
        state.pointee.marks.subtract([.drained, .starved, .readWaitsForWrite])
        let ssl = state.pointee.ssl
        var total = 0
        ERR_clear_error()
        while total < buffer.count {
            let space = buffer.count - total
            if total > 0, space < Self.roomToReadOn { state.pointee.marks.insert(.drained) }
            let count = SSL_read(ssl, start + total, Int32(clamping: space))
            if count > 0 {
                total += Int(count)
                continue
            }
            switch SSL_get_error(ssl, count) {
            case SSL_ERROR_WANT_READ:
                state.pointee.marks.insert(.starved)
                return total > 0 ? .bytes(total) : .wouldBlock
            case SSL_ERROR_WANT_WRITE:
                state.pointee.marks.formUnion([.starved, .readWaitsForWrite])
                return total > 0 ? .bytes(total) : .wouldBlock
            case SSL_ERROR_ZERO_RETURN:
                return total > 0 ? .bytes(total) : .end
            default:
                recordFailure()
                return total > 0 ? .bytes(total) : .failed(failureErrno)
            }
        }
        return .bytes(total)
    }

    /// Whether `read` has something to say though the socket may not be readable: bytes, the end, or a failure.
    package var hasPending: Bool {
        let state = state.pointee
        if let records = state.records {
            return !state.marks.isDisjoint(with: [.failed, .heardGoodbye]) || records.pointee.unread.count > 0
        }
        if state.marks.contains(.failed) || SSL_get_shutdown(state.ssl) & SSL_RECEIVED_SHUTDOWN != 0 { return true }
        return !state.marks.contains(.starved) && SSL_has_pending(state.ssl) == 1
    }

    /// Another thread goes on with this connection: nothing of its keys stays with this one.
    package func leaveThread() {
        guard let records = state.pointee.records else { return }
        records.pointee.inbound.leaveThread()
        records.pointee.outbound.leaveThread()
    }

    package var committedBytes: Int { Int(state.pointee.committed) }

    package var sendWaitsForRead: Bool { state.pointee.marks.contains(.sendWaitsForRead) }

    package var readWaitsForWrite: Bool { state.pointee.marks.contains(.readWaitsForWrite) }

    package func send(_ bytes: UnsafeRawBufferPointer) -> WriteResult {
        guard let start = bytes.baseAddress, bytes.count > 0 else { return .bytes(0) }
        var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: start), iov_len: bytes.count)
        return writev(&vector, 1)
    }

    /// Encrypts and sends until everything is sent or the socket takes no more: always one of both, so fewer bytes
    /// than offered mean that the socket is full.
    package func writev(_ vectors: UnsafePointer<iovec>, _ count: Int32) -> WriteResult {
        if state.pointee.marks.contains(.failed) { return .failed(failureErrno) }
        let offered = UnsafeBufferPointer(start: vectors, count: Int(count))
        if let records = state.pointee.records { return writeOwn(records, offered) }
        state.pointee.marks.remove(.sendWaitsForRead)
        let ssl = state.pointee.ssl
        var gathering = Gathering(offered)
        var total = 0
        ERR_clear_error()
        while gathering.left > 0 {
            // A record that is under way is repeated with the size it has.
            var size = Int(state.pointee.committed)
            // Not a socket's error but a caller's: it offers less than it did before.
            guard gathering.left >= size else { return total > 0 ? .bytes(total) : .failed(EINVAL) }
            if size == 0 { size = min(gathering.left, Self.recordBytes) }
            let result = SSL_write(ssl, gathering.next(size), Int32(size))
            if result > 0 {
                state.pointee.committed = 0
                gathering.consume(Int(result))
                total += Int(result)
                continue
            }
            switch SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_READ:
                state.pointee.marks.insert(.sendWaitsForRead)
                fallthrough
            case SSL_ERROR_WANT_WRITE:
                state.pointee.committed = Int32(size)
                return total > 0 ? .bytes(total) : .wouldBlock
            default:
                recordFailure()
                return .failed(failureErrno)
            }
        }
        return .bytes(total)
    }
}
