import Codec
import HTTPTypes
import Hummingbird
import NIOCore

/// `GET /api/v1/connections/{id}/trace`: what one connection sends and is sent, as a `text/event-stream`, from whatever node it is on.
struct TraceStream {
    let node: RunningNode
    let inspector: ClusterInspector
    let id: SessionID
    let seconds: Int

    /// Between two questions for the next part.
    private static let pause: Duration = .milliseconds(100)
    /// Questions without an answer, one after another, until it is given up.
    private static let patience = 3

    func response(to request: Request, on channel: any Channel) async throws -> Response {
        let place = try StreamPlace.take(on: node)
        let inspector = inspector
        let trace: ClusterInspector.RemoteTrace
        switch await inspector.trace(id, seconds: seconds) {
        case .begun(let begun): trace = begun
        case .refused(.unknown): throw Routes.unknown
        case .refused(.tooMany):
            throw APIError(
                status: .serviceUnavailable, code: "too_many_traces",
                message: "as many connections of node \(id.node) are traced as may be (admin.traces)",
                headers: ["Retry-After": "5"])
        case .unreachable: throw Routes.unreachable(id)
        }
        let queue = BoundedQueue<TraceItem>(maximumBytes: node.configuration.eventBytes, weight: { $0.weight })
        return AdminStream(
            queue: queue,
            greeting: (
                "tracing", "{\"connection\":\"\(id)\",\"node\":\"\(id.node)\",\"seconds\":\(seconds)}"
            ),
            begin: {
                let reading = Task { await Self.read(trace, by: inspector, into: queue) }
                return {
                    reading.cancel()
                    Task { await inspector.end(trace) }
                }
            },
            write: { batch, text in for item in batch.elements { Self.write(item, to: text) } },
            dropped: "messages"
        ).response(to: request, on: channel, in: place)
    }

    private static func read(
        _ trace: ClusterInspector.RemoteTrace, by inspector: ClusterInspector, into queue: BoundedQueue<TraceItem>
    ) async {
        var unanswered = 0
        while !Task.isCancelled {
            if let items = await inspector.next(of: trace) {
                unanswered = 0
                queue.append(items)
                if items.contains(where: { if case .ended = $0 { true } else { false } }) { return queue.end() }
            } else {
                unanswered += 1
                if unanswered == patience {
                    queue.append(.ended("the node of the connection does not answer"))
                    return queue.end()
                }
            }
            try? await Task.sleep(for: pause)
        }
    }

    static func write(_ item: TraceItem, to writer: ByteWriter) {
        switch item {
        case .message(let entry):
            writer.append("event: ")
            writer.append(entry.direction == "in" ? "in" : "out")
            writer.append("\ndata: {\"time\":")
            writer.append(decimal: entry.time.value)
            field("opcode", entry.opcode, to: writer)
            field("kind", entry.kind, to: writer)
            entry.shown.writeFields(to: writer)
            writer.append(entry.redacted ? ",\"redacted\":true}\n\n" : ",\"redacted\":false}\n\n")
        case .leftOut(let left):
            writer.append(text: "event: dropped\ndata: {\"messages\":\(left.count),\"bytes\":\(left.bytes)}\n\n")
        case .ended(let reason):
            writer.append("event: end\ndata: {\"reason\":")
            JSONWriter.writeString(reason.text, to: writer)
            writer.append("}\n\n")
        }
    }

    private static func field(_ name: StaticString, _ value: PlainText?, to writer: ByteWriter) {
        guard let value else { return }
        writer.append(",\"")
        writer.append(name)
        writer.append("\":")
        JSONWriter.writeString(value.text, to: writer)
    }
}
