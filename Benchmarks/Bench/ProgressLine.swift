import Glibc
import Reactor
import Synchronization

/// Shows progress on standard error: a bar that redraws itself on a terminal, otherwise a line every few seconds.
package final class ProgressLine: Sendable {
    private struct State {
        var lastShown = MonotonicTime(nanoseconds: 0)
        var phase = ""
        var isDrawn = false
    }

    private let state = Mutex(State())
    private let isTerminal: Bool
    private let isQuiet: Bool

    private static let redrawSeconds = 0.1
    private static let lineSeconds = 5.0
    private static let cells = 30

    package init(quiet: Bool = false) {
        isQuiet = quiet
        isTerminal = isatty(2) == 1
    }

    package func show(_ progress: BenchProgress) {
        guard !isQuiet else { return }
        let now = MonotonicTime.now()
        state.withLock { state in
            let pause = isTerminal ? Self.redrawSeconds : Self.lineSeconds
            let isNewPhase = state.phase != progress.phase
            guard isNewPhase && !isTerminal || (now - state.lastShown).seconds >= pause else { return }
            state.lastShown = now
            state.phase = progress.phase
            state.isDrawn = true
            write(isTerminal ? "\r\u{1B}[2K" + Self.bar(progress) : Self.line(progress) + "\n")
        }
    }

    /// Takes the bar away.
    package func clear() {
        state.withLock { if isTerminal, $0.isDrawn { write("\r\u{1B}[2K") } }
    }

    static func bar(_ progress: BenchProgress) -> String {
        let full = Int((max(0, min(1, progress.fraction)) * Double(cells)).rounded())
        let cells = String(repeating: "━", count: full) + String(repeating: "╌", count: Self.cells - full)
        return "\(cells) \(Int(progress.fraction * 100))%  \(progress.phase)  \(progress.detail)"
    }

    static func line(_ progress: BenchProgress) -> String {
        "\(progress.phase): \(Int(progress.fraction * 100))% (\(progress.detail))"
    }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
    }
}
