internal import COpenSSL

/// The calling thread's queue of errors inside OpenSSL.
///
/// It belongs to whoever calls OpenSSL next on this thread, which on a reactor is TLS: an error that is left there would be taken for
/// one of a connection.
enum ErrorQueue {
    /// Makes some calls, and forgets the errors that they leave, whether they failed or not.
    static func emptied<Result>(_ calls: () -> Result) -> Result {
        defer { ERR_clear_error() }
        return calls()
    }
}
