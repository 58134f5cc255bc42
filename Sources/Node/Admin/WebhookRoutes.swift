import Backplane
import Codec
import HTTPTypes
import Hummingbird
import NIOCore

/// The routes about webhooks: how each is doing in the cluster, and its dead letters.
struct WebhookRoutes {
    let webhooks: Webhooks

    func add(to router: Router<AdminContext>) {
        let group = router.group("/api/v1/webhooks")
        group.get { request, _ in
            _ = try Query(request, known: [])
            return try await list()
        }
        group.get(":id/letters") { request, context in
            let query = try Query(request, known: ["cursor", "limit"])
            return try await letters(
                of: target(context), after: query.cursor(WebhookLetterPlace.self), limit: query.limit())
        }
        group.post(":id/resend") { request, context in
            _ = try Query(request, known: [])
            return try await move(target(context), isPurge: false, context.audit)
        }
        group.post(":id/purge") { request, context in
            _ = try Query(request, known: [])
            return try await move(target(context), isPurge: true, context.audit)
        }
    }

    private struct Report: Encodable {
        var webhooks: [Entry] = []
    }

    private struct Entry: Encodable {
        var id: String
        var url: String
        var events: [String]
        var waiting: Int
        var waitingBytes: Int
        /// In milliseconds.
        var oldestAge: UInt64?
        var deadLetters: Int
        /// In milliseconds since 1970.
        var failingSince: UInt64?
        var failure: PlainText?
    }

    private func list() async throws -> Response {
        var report = Report()
        for target in await webhooks.targets {
            let state = try Self.value(of: await webhooks.state(of: target))
            report.webhooks.append(
                Entry(
                    id: target.hook.id, url: target.hook.url.shown, events: target.hook.kinds.names,
                    waiting: state.waiting, waitingBytes: state.bytes, oldestAge: state.oldest, deadLetters: state.dead,
                    failingSince: state.failingSince,
                    failure: state.failingSince == nil ? nil : PlainText(state.reason)))
        }
        return Response.json(report)
    }

    /// `{"letters":[{"given_up":1700000000000,"reason":"…","event":{…}}],"cursor":"…"}`: without a cursor where no others follow.
    private func letters(
        of target: WebhookCollector.Target, after: WebhookLetterPlace?, limit: Int
    ) async throws -> Response {
        let page = try Self.value(of: await webhooks.letters(of: target, after: after, limit: limit))
        let writer = ByteWriter(capacity: 4096)
        writer.append("{\"letters\":[")
        for (index, letter) in page.letters.enumerated() {
            writer.append(index == 0 ? "{\"given_up\":" : ",{\"given_up\":")
            writer.append(decimal: letter.id.time)
            writer.append(",\"reason\":")
            JSONWriter.writeString(PlainText(letter.reason).text, to: writer)
            writer.append(",\"event\":")
            // It comes from Redis, where others may write.
            letter.body.withUnsafeBytes { body in
                if JSONScanner.isValid(body) { writer.append(body) } else { writer.append("null") }
            }
            writer.append("}")
        }
        writer.append("]")
        if let next = page.next {
            writer.append(",\"cursor\":")
            JSONWriter.writeString(PageCursor.encode(next), to: writer)
        }
        writer.append("}\n")
        return Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: Array(writer.bytes))))
    }

    private func move(_ target: WebhookCollector.Target, isPurge: Bool, _ audit: AuditNote) async throws -> Response {
        let count = try Self.value(of: await webhooks.moveLetters(of: target, isPurge: isPurge))
        audit.add("letters", "\(count)")
        return Response.json([isPurge ? "purged" : "resent": count])
    }

    private func target(_ context: AdminContext) async throws -> WebhookCollector.Target {
        let id = try context.parameters.require("id")
        let targets = await webhooks.targets
        guard let target = targets.first(where: { $0.hook.id.utf8.elementsEqual(id.utf8) }) else {
            throw APIError(
                status: .notFound, code: "unknown_webhook",
                message: targets.isEmpty
                    ? "this node has no webhooks: add webhooks to its configuration"
                    : "no webhook has this id; known are \(targets.map(\.hook.id).joined(separator: ", "))")
        }
        return target
    }

    private static func value<Value>(of result: Result<Value, PublishRefusal>) throws -> Value {
        switch result {
        case .success(let value): return value
        case .failure(let refusal):
            throw APIError(
                status: .serviceUnavailable, code: "unavailable",
                message: "the queues of the webhook cannot be read: \(refusal)", headers: ["Retry-After": "1"])
        }
    }
}
