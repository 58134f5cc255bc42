import COpenSSL

@testable import Authentication

extension ErrorQueue {
    /// Whether nothing is left in the calling thread's queue.
    static var isEmpty: Bool { ERR_peek_error() == 0 }
}
