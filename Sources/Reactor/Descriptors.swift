import CLinux
import Glibc

/// How many files this process may have open.
package enum Descriptors {
    /// Kept free for the admin port, the link and files when connections are counted against the limit.
    package static let reserved = 64

    /// Raises the limit as far as the system lets an ordinary process (setrlimit(2)).
    ///
    /// - Returns: The limit before and now.
    @discardableResult
    package static func raiseLimit() -> (before: Int, now: Int) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return (self.limit, self.limit)
        }
        let before = Int(clamping: limit.rlim_cur)
        limit.rlim_cur = limit.rlim_max
        guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return (before, before) }
        return (before, Int(clamping: limit.rlim_cur))
    }

    package static var limit: Int {
        var limit = rlimit()
        return getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
            ? Int(clamping: limit.rlim_cur) : 1024
    }
}
