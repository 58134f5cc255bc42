import CLinux
internal import COpenSSL
import Glibc

/// How OpenSSL reaches the socket (a BIO). Its own way writes with write(2), which ends the process by SIGPIPE when the
/// other side is gone; here MSG_NOSIGNAL prevents that. And it asks a socket again that is known to be empty.
enum TLSTransport {
    /// A `BIO_METHOD`; nil when there is no memory for it.
    nonisolated(unsafe) static let method: OpaquePointer? = {
        guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "carillon socket") else {
            return nil
        }
        BIO_meth_set_read(method, read)
        BIO_meth_set_write(method, write)
        BIO_meth_set_ctrl(method, control)
        return method
    }()

    private static func state(of bio: OpaquePointer?) -> UnsafeMutablePointer<TLSEndpoint.State>? {
        BIO_get_data(bio)?.assumingMemoryBound(to: TLSEndpoint.State.self)
    }

    private static let read: @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, Int32) -> Int32 = {
        bio, buffer, count in
        guard let state = state(of: bio), let buffer, count > 0 else { return 0 }
        carillon_BIO_clear_retry_flags(bio)
        if state.pointee.marks.contains(.drained) {
            carillon_BIO_set_retry_read(bio)
            return -1
        }
        switch Socket.read(
            state.pointee.descriptor, into: UnsafeMutableRawBufferPointer(start: buffer, count: Int(count)))
        {
        case .bytes(let got):
            // There was no more; should more come, the socket becomes readable again.
            if got < Int(count) { state.pointee.marks.insert(.drained) }
            return Int32(got)
        case .wouldBlock:
            state.pointee.marks.insert(.drained)
            carillon_BIO_set_retry_read(bio)
            return -1
        case .end:
            state.pointee.marks.insert(.ended)
            return 0
        case .failed(let code):
            state.pointee.systemError = code
            return -1
        }
    }

    private static let write: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, Int32) -> Int32 = {
        bio, bytes, count in
        guard let state = state(of: bio), let bytes, count > 0 else { return 0 }
        carillon_BIO_clear_retry_flags(bio)
        switch Socket.send(state.pointee.descriptor, UnsafeRawBufferPointer(start: bytes, count: Int(count))) {
        case .bytes(let sent):
            state.pointee.takeover?.pointee.wasSent(UnsafeRawBufferPointer(start: bytes, count: sent))
            return Int32(sent)
        case .wouldBlock:
            carillon_BIO_set_retry_write(bio)
            return -1
        case .failed(let code):
            state.pointee.systemError = code
            return -1
        }
    }

    /// The requests of <openssl/bio.h> that OpenSSL's TLS makes of a transport; 0 says no to all others.
    private static let control: @convention(c) (OpaquePointer?, Int32, Int, UnsafeMutableRawPointer?) -> Int = {
        bio, request, number, argument in
        guard let state = state(of: bio) else { return 0 }
        switch request {
        case BIO_CTRL_FLUSH, BIO_CTRL_DUP:
            return 1
        case BIO_CTRL_EOF:
            return state.pointee.marks.contains(.ended) ? 1 : 0
        case BIO_C_GET_FD:
            argument?.assumingMemoryBound(to: Int32.self).pointee = state.pointee.descriptor
            return Int(state.pointee.descriptor)
        default:
            return 0
        }
    }
}
