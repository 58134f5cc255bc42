import Glibc

/// Signals that mean nothing to a node, and whose default is to end the process: sent by mistake, or by tools that know
/// other servers, where SIGUSR1 reopens the log.
package enum StraySignals {
    package static let all: [Int32] = [SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR]

    /// SIGHUP is ignored too, until the node is there to take it.
    package static func ignore() {
        for number in all + [SIGHUP] { signal(number, SIG_IGN) }
    }
}
