import Glibc
import Reactor
import Synchronization

/// Writes log lines on a thread of its own, so that nobody who logs waits for whoever reads the log.
///
/// A pipe that is not read, a terminal that is stopped or a full disk makes `write` wait. Lines then gather here, up to
/// `maximumBytes`; those that come after that are lost. They are counted, and a line says how many as soon as there is room.
package final class LogWriter: Sendable {
    package static let standardError = LogWriter(descriptor: STDERR_FILENO)

    /// Bytes of lines that may wait.
    package static let maximumBytes = 256 * 1024
    /// What the thread needs is far less.
    private static let stackBytes = 512 * 1024

    private struct State {
        var waiting: [UInt8] = []
        /// Lines that are lost and that no line has told of yet.
        var untold: UInt64 = 0
        /// Lines lost since the start.
        var lost: UInt64 = 0
        var isWriting = false
        var isStarted = false
        var tellLoss: (@Sendable (UInt64) -> [UInt8])?
    }

    private let descriptor: Int32
    private let state = Mutex(State())
    private nonisolated(unsafe) let wakeUp: UnsafeMutablePointer<sem_t>

    package init(descriptor: Int32) {
        self.descriptor = descriptor
        wakeUp = .allocate(capacity: 1)
        sem_init(wakeUp, 0, 0)
    }

    /// Lines that could not be written since the start.
    package var lost: UInt64 { state.withLock { $0.lost } }

    /// What a line says of lines that were lost, with its line end.
    package func tellLosses(by line: @escaping @Sendable (UInt64) -> [UInt8]) {
        state.withLock { $0.tellLoss = line }
    }

    /// Hands a line over, with its line end. Never waits for the log.
    package func write(_ line: [UInt8]) {
        let (isFirst, isNew) = state.withLock { state in
            guard state.waiting.count + line.count <= Self.maximumBytes else {
                state.untold += 1
                state.lost += 1
                return (false, false)
            }
            let isFirst = state.waiting.isEmpty
            state.waiting += line
            defer { state.isStarted = true }
            return (isFirst, !state.isStarted)
        }
        if isNew { start() }
        if isFirst { sem_post(wakeUp) }
    }

    /// Waits until all lines are written, but not longer than this. Not on a reactor.
    package func flush(within limit: Duration) {
        let end = MonotonicTime.now() + limit
        while MonotonicTime.now() < end {
            if state.withLock({ !$0.isStarted || ($0.waiting.isEmpty && !$0.isWriting) }) { return }
            usleep(1000)
        }
    }

    // MARK: The thread

    private func start() {
        let isRunning = Threads.run(named: "log", stackBytes: Self.stackBytes) { [self] in
            while true {
                sem_wait(wakeUp)
                writeWaiting()
            }
        }
        guard !isRunning else { return }
        // Without a thread, whoever logs writes: a log that may stop the node is better than none.
        writeWaiting()
        state.withLock { $0.isStarted = false }
    }

    private func writeWaiting() {
        let lines = state.withLock { state in
            defer { state.isWriting = true }
            return take(&state)
        }
        let left = writeAll(lines)
        state.withLock { state in
            state.isWriting = false
            guard left > 0 else { return }
            state.untold += UInt64(left)
            state.lost += UInt64(left)
        }
    }

    private func take(_ state: inout State) -> [UInt8] {
        var lines: [UInt8] = []
        swap(&lines, &state.waiting)
        if state.untold > 0, let tell = state.tellLoss {
            // They were lost after what waits.
            lines += tell(state.untold)
            state.untold = 0
        }
        return lines
    }

    /// - Returns: How many lines were not written, because nothing can be written there any more.
    private func writeAll(_ lines: [UInt8]) -> Int {
        var start = 0
        while start < lines.count {
            let count = lines[start...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                start += count
            } else if errno == EAGAIN {
                // Somebody made the descriptor non-blocking, maybe another process that has it too.
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&wait, 1, -1)
            } else if errno != EINTR {
                return lines[start...].count { $0 == UInt8(ascii: "\n") }
            }
        }
        return 0
    }
}
