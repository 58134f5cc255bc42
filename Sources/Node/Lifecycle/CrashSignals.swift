import Glibc

/// What happens when the process is at fault: it ends at once, with a core dump where `ulimit -c` allows one.
///
/// Swift's runtime would start a program that reads the dying process's memory and prints its stacks. With a large
/// binary or many threads that was seen to take longer than a minute. Meanwhile the node's sockets stay open: its clients
/// wait, balancers send it new ones, and no supervisor can start it again.
package enum CrashSignals {
    /// The signals that Swift's runtime handles (swift-project docs, Backtracing).
    package static let all: [Int32] = [SIGQUIT, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP]

    /// Gives these signals their default action back, whatever the environment (`SWIFT_BACKTRACE`) says.
    package static func endAtOnce() {
        // A sanitizer's report is what it was built for.
        guard !isSanitized else { return }
        for number in all { signal(number, SIG_DFL) }
    }

    private static var isSanitized: Bool {
        dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil
    }
}
