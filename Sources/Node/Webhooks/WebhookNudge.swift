import Synchronization

/// Wakes somebody who waits for work, or lets it wait a while at most.
final class WebhookNudge: Sendable {
    private struct State {
        var isSet = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// There is work: whoever waits, or comes to wait next, goes on at once.
    func callAsFunction() {
        let waiter = state.withLock { state in
            state.isSet = state.waiter == nil
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Until there is work, the time is over, or the task is cancelled. One task at a time.
    func wait(atMost time: Duration) async {
        let timer = Task { [self] in if (try? await Task.sleep(for: time)) != nil { self() } }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state in
                    guard state.isSet || Task.isCancelled else {
                        state.waiter = continuation
                        return false
                    }
                    state.isSet = false
                    return true
                }
                if goesOn { continuation.resume() }
            }
        } onCancel: {
            self()
        }
        timer.cancel()
    }
}
