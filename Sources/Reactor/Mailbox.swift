import CLinux
import Glibc

/// Work that other threads hand to a reactor.
///
/// A lock is held for the length of an append; the reactor takes everything at once. The wake-up is an eventfd,
/// written only by the first post since the reactor last looked, so a burst of posts costs one system call.
final class Mailbox: @unchecked Sendable {
    typealias Work = @Sendable () -> Void

    let descriptor: Int32
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private var posted: [Work] = []
    private var isWoken = false
    private(set) var wakeups: UInt64 = 0

    init() throws(SystemError) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard descriptor >= 0 else { throw SystemError(call: "eventfd", code: errno) }
        lock = .allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        lock.deallocate()
        _ = close(descriptor)
    }

    func post(_ work: @escaping Work) {
        pthread_mutex_lock(lock)
        posted.append(work)
        let isFirst = !isWoken
        isWoken = true
        pthread_mutex_unlock(lock)
        if isFirst { wake() }
    }

    private func wake() {
        var one: UInt64 = 1
        // The counter can be full only if it was written 2^64 - 2 times unread: a failed write still wakes.
        _ = write(descriptor, &one, 8)
    }

    /// Everything posted until now, oldest first. The spare array comes back empty to be filled next.
    func take(into taken: inout [Work]) {
        pthread_mutex_lock(lock)
        swap(&posted, &taken)
        if isWoken {
            isWoken = false
            wakeups += 1
        }
        pthread_mutex_unlock(lock)
    }

    /// The reactor was woken: the eventfd is made quiet before the mail is taken, so that no post goes unheard.
    func quiet() {
        var counter: UInt64 = 0
        _ = read(descriptor, &counter, 8)
    }
}
