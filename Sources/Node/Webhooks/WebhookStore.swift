import Backplane
import Reactor

/// The queues of webhooks, asked from tasks.
struct WebhookStore: Sendable {
    let home: Reactor
    let backplane: any Backplane
    let books: WebhookBooks

    func callAsFunction(
        _ request: OutboxRequest, _ part: OutboxPart, _ limits: OutboxLimits
    ) async -> Result<OutboxAnswer, PublishRefusal> {
        let backplane = backplane
        let result = await withCheckedContinuation { continuation in
            home.post { backplane.outbox(request, part, limits) { continuation.resume(returning: $0) } }
        }
        // That the link is away is logged where it is noticed.
        if case .failure(.medium(let text)) = result { books.refused(text) }
        return result
    }
}
