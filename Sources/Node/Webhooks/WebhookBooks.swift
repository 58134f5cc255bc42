import Codec
import Logging
import Reactor
import Synchronization

/// What is counted and logged of webhooks on this node.
final class WebhookBooks: Sendable {
    struct Counters: Equatable, Sendable {
        /// Events stored, each once for each webhook.
        var accepted: UInt64 = 0
        /// Dropped because of a bound, in the node or where events are kept.
        var dropped: UInt64 = 0
        var delivered: UInt64 = 0
        var requests: UInt64 = 0
        var failures: UInt64 = 0
        /// Events given up.
        var dead: UInt64 = 0
        /// Of those given up earlier, dropped because of the bound.
        var deadDropped: UInt64 = 0
    }

    private struct Failing {
        var parts: Set<Int> = []
        var loggedAt: MonotonicTime
    }

    private struct State {
        var counters = Counters()
        var failing: [String: Failing] = [:]
        var dropLoggedAt: MonotonicTime?
        var droppedSince: UInt64 = 0
        var refusalLoggedAt: MonotonicTime?
    }

    private let state = Mutex(State())
    private let log: Logger

    /// The same trouble is logged at most this often.
    private static let pause: Duration = .seconds(60)

    init(log: Logger) { self.log = log }

    var counters: Counters { state.withLock { $0.counters } }
    /// Webhooks of which this node sends events and the last request failed.
    var failing: Int { state.withLock { $0.failing.count } }

    func count(_ change: (inout Counters) -> Void) { state.withLock { change(&$0.counters) } }

    /// Events were dropped.
    ///
    /// - Parameter why: Which bound, for people.
    func dropped(_ count: Int, _ why: String) {
        let now = MonotonicTime.now()
        let news: UInt64? = state.withLock { state in
            state.counters.dropped &+= UInt64(clamping: count)
            state.droppedSince &+= UInt64(clamping: count)
            if let last = state.dropLoggedAt, now - last < Self.pause { return nil }
            state.dropLoggedAt = now
            defer { state.droppedSince = 0 }
            return state.droppedSince
        }
        if let news { log.warning("webhooks: \(things(news, "event was", "events were")) dropped: \(why)") }
    }

    func failed(_ hook: Webhook, _ part: Int, _ reason: String) {
        let now = MonotonicTime.now()
        let isNews = state.withLock { state in
            state.counters.failures &+= 1
            guard var known = state.failing[hook.id] else {
                state.failing[hook.id] = Failing(parts: [part], loggedAt: now)
                return true
            }
            known.parts.insert(part)
            let isNews = now - known.loggedAt >= Self.pause
            if isNews { known.loggedAt = now }
            state.failing[hook.id] = known
            return isNews
        }
        if isNews { log.warning("webhook \(hook.id) (\(hook.url.shown)) does not take events: \(reason)") }
    }

    func delivered(_ hook: Webhook, _ part: Int, _ count: Int) {
        state.withLock { $0.counters.delivered &+= UInt64(clamping: count) }
        if isOver(hook.id, part) { log.notice("webhook \(hook.id) (\(hook.url.shown)) takes events again") }
    }

    /// A part is not this node's to send any more.
    func ended(_ id: String, _ part: Int) { _ = isOver(id, part) }

    private func isOver(_ id: String, _ part: Int) -> Bool {
        state.withLock { state in
            guard state.failing[id]?.parts.remove(part) != nil, state.failing[id]?.parts.isEmpty ?? false else {
                return false
            }
            state.failing[id] = nil
            return true
        }
    }

    func buried(_ hook: Webhook, _ count: Int, lost: Int, _ reason: String) {
        state.withLock { state in
            state.counters.dead &+= UInt64(clamping: count)
            state.counters.deadDropped &+= UInt64(clamping: lost)
        }
        log.error(
            "webhook \(hook.id) (\(hook.url.shown)): \(things(count, "event was", "events were")) not taken within \(Webhook.text(hook.retryFor)) and \(count == 1 ? "is a dead letter" : "are dead letters") now: \(reason)"
        )
        if lost > 0 {
            log.error(
                "webhook \(hook.id): \(things(lost, "dead letter was", "dead letters were")) dropped (limits.webhook_pending_bytes)"
            )
        }
    }

    /// The backplane refuses something that queues need: it is tried again, and events wait meanwhile.
    func refused(_ text: String) {
        let now = MonotonicTime.now()
        let isNews = state.withLock { state in
            if let last = state.refusalLoggedAt, now - last < Self.pause { return false }
            state.refusalLoggedAt = now
            return true
        }
        if isNews { log.error("webhooks: the backplane refuses what their queues need: \(text)") }
    }
}
