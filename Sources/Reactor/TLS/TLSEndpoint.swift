internal import COpenSSL
import Glibc

/// Our end of one encrypted connection: an `SSL`, or after the handshake records of our own, and what is to be known
/// beside it, in memory of its own.
///
/// A trivial handle, like a descriptor: copies are the same connection, and `close` ends all of them. On one thread at
/// a time. Made by `Stream`, which documents how it is used.
package struct TLSEndpoint {
    struct Marks: OptionSet {
        let rawValue: UInt16

        /// The socket had nothing more, or enough was read from it for this time: it is not asked again.
        static let drained = Marks(rawValue: 1 << 0)
        /// The socket's end was reached.
        static let ended = Marks(rawValue: 1 << 1)
        /// OpenSSL has nothing complete left, so reading goes on when the socket is readable.
        static let starved = Marks(rawValue: 1 << 2)
        static let sendWaitsForRead = Marks(rawValue: 1 << 3)
        static let readWaitsForWrite = Marks(rawValue: 1 << 4)
        /// Nothing works any more; `failure` says why.
        static let failed = Marks(rawValue: 1 << 5)
        /// Our close_notify was sent.
        static let saidGoodbye = Marks(rawValue: 1 << 6)
        static let isEstablished = Marks(rawValue: 1 << 7)
        /// The other side's close_notify has come.
        static let heardGoodbye = Marks(rawValue: 1 << 8)
        /// Our close_notify is encrypted.
        static let madeGoodbye = Marks(rawValue: 1 << 9)
        /// The socket did not take all of the last records.
        static let wasFull = Marks(rawValue: 1 << 10)
    }

    struct State {
        /// Nil when the records are ours.
        var ssl: OpaquePointer?
        /// Records of our own, from the end of the handshake on.
        var records: UnsafeMutablePointer<TLSRecords>?
        let descriptor: Int32
        var marks: Marks = []
        /// How many bytes are encrypted in records that the socket has not taken whole.
        var committed: Int32 = 0
        /// The errno of the socket's last failure.
        var systemError: Int32 = 0
        var failureCode: UInt = 0
        var refused: RefusedCertificate?
        /// What is gathered during a handshake after which the records may be ours.
        var takeover: UnsafeMutablePointer<TLSTakeover>?
    }

    let state: UnsafeMutablePointer<State>

    /// Takes no possession of the descriptor.
    init(descriptor: Int32, context: TLSContext, serverName: String?) throws(TLSError) {
        ERR_clear_error()
        guard let method = TLSTransport.method, let ssl = SSL_new(context.pointer) else {
            throw .library(doing: "begin a connection", reason: OpenSSLError.take())
        }
        do {
            switch context.role {
            case .server:
                SSL_set_accept_state(ssl)
            case .client(let verification):
                SSL_set_connect_state(ssl)
                try ServerName.expect(serverName, verification, ssl)
            }
        } catch {
            SSL_free(ssl)
            throw error
        }
        guard let transport = BIO_new(method) else {
            SSL_free(ssl)
            throw .library(doing: "begin a connection", reason: OpenSSLError.take())
        }
        state = .allocate(capacity: 1)
        state.initialize(to: State(ssl: ssl, descriptor: descriptor))
        BIO_set_data(transport, state)
        BIO_set_init(transport, 1)
        // Both directions, one reference: it goes with the SSL.
        SSL_set_bio(ssl, transport, transport)
        guard context.takesOver else { return }
        let takeover = UnsafeMutablePointer<TLSTakeover>.allocate(capacity: 1)
        takeover.initialize(to: TLSTakeover())
        state.pointee.takeover = takeover
    }

    func handshake() -> HandshakeResult {
        if state.pointee.marks.contains(.failed) { return .failed(failure ?? .closedInHandshake) }
        guard let ssl = state.pointee.ssl else { return .done }
        state.pointee.marks.subtract([.drained, .starved])
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        if result == 1 {
            state.pointee.marks.insert(.isEstablished)
            state.pointee.refused = nil
            takeOver()
            return .done
        }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .wantsRead
        case SSL_ERROR_WANT_WRITE: return .wantsWrite
        default:
            recordFailure()
            return .failed(failure ?? .closedInHandshake)
        }
    }

    // MARK: Ending

    /// Says goodbye (close_notify) and closes our side of the socket.
    ///
    /// - Returns: Whether that was done; when not, the socket is full and it has to be repeated once it is writable.
    func shutdownWrite() -> Bool {
        guard canSayGoodbye else {
            Socket.shutdownWrite(state.pointee.descriptor)
            return true
        }
        guard state.pointee.committed == 0, sayGoodbye() else { return false }
        Socket.shutdownWrite(state.pointee.descriptor)
        return true
    }

    /// Whether the other side would understand it. Before the handshake is done there is nothing to say goodbye to.
    private var canSayGoodbye: Bool {
        state.pointee.marks.isDisjoint(with: [.failed, .saidGoodbye]) && state.pointee.marks.contains(.isEstablished)
    }

    private func sayGoodbye() -> Bool {
        if let records = state.pointee.records { return sayGoodbyeOwn(records) }
        ERR_clear_error()
        let result = SSL_shutdown(state.pointee.ssl)
        // 0: said, and not answered yet. Called once more it would read, and throw away, what still comes in.
        if result < 0 {
            switch SSL_get_error(state.pointee.ssl, result) {
            case SSL_ERROR_WANT_WRITE, SSL_ERROR_WANT_READ: return false
            default: recordFailure()
            }
        }
        state.pointee.marks.insert(.saidGoodbye)
        return true
    }

    /// Gives everything back; the descriptor stays open. Tries to say goodbye, and does not wait.
    func close() {
        if canSayGoodbye, state.pointee.committed == 0 { _ = sayGoodbye() }
        SSL_free(state.pointee.ssl)
        endTakeover()
        endRecords()
        state.deinitialize(count: 1)
        state.deallocate()
        ERR_clear_error()
    }
}
