import Reactor
import Synchronization

/// Wakes somebody who waits for work, or lets it wait a while at most.
final class WebhookNudge: Sendable {
    private struct State {
        var isSet = false
        var waiter: CheckedContinuation<Void, Never>?
        /// Which wait it is: the end of an earlier one is nothing to a later one.
        var turn: UInt64 = 0
    }

    private let state = Mutex(State())
    /// Keeps the time: a timer of its wheel costs less than a task that sleeps.
    private let reactor: Reactor

    init(reactor: Reactor) { self.reactor = reactor }

    /// There is work: whoever waits, or comes to wait next, goes on at once.
    func callAsFunction() {
        let waiter = state.withLock { state in
            state.isSet = state.waiter == nil
            return Self.take(&state)
        }
        waiter?.resume()
    }

    /// Until there is work, the time is over, or the task is cancelled. One task at a time.
    func wait(atMost time: Duration) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let turn: UInt64? = state.withLock { state in
                    guard state.isSet || Task.isCancelled else {
                        state.waiter = continuation
                        state.turn &+= 1
                        return state.turn
                    }
                    state.isSet = false
                    return nil
                }
                guard let turn else { return continuation.resume() }
                reactor.post { [self] in reactor.schedule(after: time) { self.isOver(turn) } }
            }
        } onCancel: {
            self()
        }
    }

    private func isOver(_ turn: UInt64) {
        let waiter = state.withLock { state in state.turn == turn ? Self.take(&state) : nil }
        waiter?.resume()
    }

    private static func take(_ state: inout State) -> CheckedContinuation<Void, Never>? {
        defer { state.waiter = nil }
        return state.waiter
    }
}
