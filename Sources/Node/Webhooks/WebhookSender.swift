import Backplane
import Reactor

/// Sends what waits in one part of a webhook, as long as this node has the part's lease: first to last, one request at a time.
///
/// Every node has a sender for each part, and one of them has the lease while something waits. It is given back when nothing does, and
/// runs out when its node dies, so another one goes on with the events that were not acknowledged.
struct WebhookSender: Sendable {
    let part: OutboxPart
    let limits: OutboxLimits
    let client: WebhookClient
    let store: WebhookStore
    let books: WebhookBooks
    let nudge: WebhookNudge

    /// A request costs far more than an event. So one that is not full is followed by the next after this time at the earliest, and what
    /// comes meanwhile shares that one.
    private static let spacing: Duration = .milliseconds(50)
    /// How often it is looked whether something waits that another node left, or whose grace is over.
    private static let interval = 0.75...1.25
    /// What a lease lasts beyond a request.
    private static let margin: Duration = .seconds(5)
    /// A lease is renewed this often while nothing is sent.
    private static let renewal: Duration = .seconds(3)

    private var hook: Webhook { client.hook }
    private static func milliseconds(_ time: Duration) -> Int64 { Int64(clamping: time.wholeNanoseconds / 1_000_000) }

    func run() async {
        let lease = OutboxLease(
            token: "\(UInt64.random(in: .min ... .max))", duration: Self.milliseconds(hook.timeout + Self.margin))
        var random = SystemRandomNumberGenerator()
        var backoff = WebhookBackoff()
        var holds = false
        while !Task.isCancelled {
            let answer = await store(.take(lease), part, limits)
            guard case .success(.taken(.events(let entries, let now))) = answer else {
                holds = false
                books.ended(part.receiver, part.number)
                await nudge.wait(atMost: .seconds(Double.random(in: Self.interval, using: &random)))
                continue
            }
            holds = true
            let began = MonotonicTime.now()
            let events = entries.map(\.body).filter(CloudEvents.isEvent)
            let failure = await post(events)
            if Task.isCancelled { break }
            guard let failure else {
                backoff.reset()
                if await settle(.acknowledge(entries.map(\.id), lease)) {
                    books.delivered(hook, part.number, events.count)
                    let others = entries.count - events.count
                    if others > 0 { books.dropped(others, "entries of the queue of webhook \(hook.id) are no events") }
                }
                if !Self.isFull(entries) { await Self.rest(until: began + Self.spacing) }
                continue
            }
            books.failed(hook, part.number, failure.description)
            await giveUp(entries, now, failure.description, lease)
            await pause(backoff.next(using: &random), failure.description, lease)
        }
        books.ended(part.receiver, part.number)
        if holds { _ = await store(.release(lease), part, limits) }
    }

    /// - Returns: Why the events have to be sent again; nil when they have not.
    private func post(_ events: [[UInt8]]) async -> WebhookClient.Failure? {
        guard !events.isEmpty else { return nil }
        books.count { $0.requests &+= 1 }
        return await client.post(CloudEvents.batch(events), time: WallClock.milliseconds / 1000)
    }

    private static func isFull(_ entries: [OutboxEntry]) -> Bool {
        entries.count >= OutboxRequest.batch
            || entries.reduce(0) { $0 + $1.body.count } >= OutboxRequest.batchBytes / 2
    }

    private static func rest(until time: MonotonicTime) async {
        let rest = time - MonotonicTime.now()
        if rest > .zero { try? await Task.sleep(for: rest) }
    }

    /// - Returns: Whether the lease still held. Where it did not, another node sends these events once more.
    private func settle(_ request: OutboxRequest) async -> Bool {
        // What the receiver has is not sent again only because the link breaks now.
        for _ in 0..<5 {
            switch await store(request, part, limits) {
            case .success(.settled(let isHeld, _)): return isHeld
            case .success: return false
            case .failure: try? await Task.sleep(for: .milliseconds(200))
            }
        }
        return false
    }

    /// What has been tried for long enough becomes a dead letter.
    private func giveUp(_ entries: [OutboxEntry], _ now: UInt64, _ reason: String, _ lease: OutboxLease) async {
        let oldest = UInt64(clamping: Self.milliseconds(hook.retryFor))
        let over = entries.filter { now > $0.id.time && now - $0.id.time >= oldest }.map(\.id)
        guard !over.isEmpty else { return }
        let answer = await store(.bury(over, reason: Self.short(reason), lease), part, limits)
        guard case .success(.settled(true, let lost)) = answer else { return }
        books.buried(hook, over.count, lost: lost, reason)
    }

    /// Waits, and keeps the lease.
    private func pause(_ time: Duration, _ reason: String, _ lease: OutboxLease) async {
        var rest = time
        while rest > .zero, !Task.isCancelled {
            let answer = await store(.failed(reason: Self.short(reason), lease), part, limits)
            if case .success(.settled(false, _)) = answer { return }
            let slice = min(rest, Self.renewal)
            try? await Task.sleep(for: slice)
            rest -= slice
        }
    }

    /// A reason is kept in Redis, and shown.
    private static func short(_ reason: String) -> String { String(reason.prefix(300)) }
}
