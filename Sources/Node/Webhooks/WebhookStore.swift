import Backplane
import Reactor

/// The queues of webhooks, asked from tasks.
struct WebhookStore: Sendable {
    let home: Reactor
    let backplane: any Backplane

    func callAsFunction(
        _ request: OutboxRequest, _ part: OutboxPart, _ limits: OutboxLimits
    ) async -> Result<OutboxAnswer, PublishRefusal> {
        let backplane = backplane
        return await withCheckedContinuation { continuation in
            home.post { backplane.outbox(request, part, limits) { continuation.resume(returning: $0) } }
        }
    }
}
