internal import Synchronization

/// The TLS context of a listening address, and how to replace it while connections live.
///
/// For any number of reactors: each reads `context` once per accepted connection. A connection keeps the context it
/// began with.
package final class TLSServer: Sendable {
    private struct State {
        var configuration: TLSServerConfiguration
        var context: TLSContext
    }

    private let state: Mutex<State>

    package init(_ configuration: TLSServerConfiguration) throws(TLSError) {
        state = Mutex(State(configuration: configuration, context: try TLSContext(configuration)))
    }

    /// The context for the next connection.
    package var context: TLSContext { state.withLock { $0.context } }

    /// Reads the files again, or other ones; reads from disk, so not on a reactor that is busy. When something is
    /// wrong with them everything stays as it was.
    ///
    /// - Returns: The certificate that is shown from now on.
    @discardableResult
    package func reload(_ configuration: TLSServerConfiguration? = nil) throws(TLSError) -> TLSCertificate? {
        let next = configuration ?? state.withLock { $0.configuration }
        let context = try TLSContext(next)
        // The earlier context is let go outside of the lock.
        let earlier = state.withLock { state in
            let earlier = state.context
            state = State(configuration: next, context: context)
            return earlier
        }
        withExtendedLifetime(earlier) {}
        return context.certificate
    }
}
