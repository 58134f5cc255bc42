import Codec
import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle
import Synchronization

/// A response of the admin listener that does not end by itself: a `text/event-stream` of what somebody puts into a queue.
///
/// So many of them may be open at a time (`admin.event_streams`). Something is sent every ten seconds at least, so that a
/// connection that is gone is noticed; and a reader that does not read does not keep the node from stopping.
struct AdminStream<Element: Sendable> {
    let queue: BoundedQueue<Element>
    /// Says what follows: the type of the first event and its data, one JSON value; nil for a stream that begins with something
    /// else.
    var greeting: (event: String, data: String)?
    /// Sees that the queue is filled; what it returns is called when the stream is over.
    let begin: @Sendable () async -> @Sendable () -> Void
    /// Writes a batch as events, except for what was dropped.
    let write: @Sendable (BoundedQueue<Element>.Batch, ByteWriter) -> Void
    /// What the number of dropped elements is called.
    let dropped: String

    /// - Parameter place: Taken for it, see `StreamPlace.take`.
    func response(to request: Request, on channel: any Channel, in place: StreamPlace) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
            body: ResponseBody { writer in
                let queue = queue
                let end = await begin()
                let reminder = channel.eventLoop.scheduleRepeatedTask(
                    initialDelay: StreamPlace.keepAlive, delay: StreamPlace.keepAlive
                ) { _ in queue.remind() }
                defer {
                    reminder.cancel()
                    end()
                }
                try await withGracefulShutdownHandler {
                    try await request.body.consumeWithInboundCloseHandler { _ in
                        try await send(to: &writer)
                    } onInboundClosed: {
                        queue.end()
                    }
                } onGracefulShutdown: {
                    queue.end()
                    channel.eventLoop.scheduleTask(in: StreamPlace.patience) { channel.close(promise: nil) }
                }
                try await writer.finish(nil)
                withExtendedLifetime(place) {}
            })
    }

    private func send(to writer: inout any ResponseBodyWriter) async throws {
        let text = ByteWriter(capacity: 64 * 1024)
        if let greeting {
            try await writer.write(ByteBuffer(string: "event: \(greeting.event)\ndata: \(greeting.data)\n\n"))
        }
        while let batch = await queue.next() {
            text.removeAll()
            write(batch, text)
            if batch.isEmpty { text.append(":\n\n") }
            if batch.dropped > 0 {
                text.append(text: "event: dropped\ndata: {\"\(dropped)\":\(batch.dropped)}\n\n")
            }
            try await writer.write(ByteBuffer(bytes: text.bytes))
        }
    }
}

/// One of the streams that may be open: given back when the response is over, or never begins.
final class StreamPlace: Sendable {
    /// How often something is sent at least.
    static let keepAlive: TimeAmount = .seconds(10)
    /// How long a stream whose node stops may take to be read to its end.
    static let patience: TimeAmount = .seconds(1)

    private let events: NodeEvents

    private init(_ events: NodeEvents) { self.events = events }

    deinit { events.streams.subtract(1, ordering: .relaxed) }

    /// - Throws: That as many are open as may be.
    static func take(on node: RunningNode) throws(APIError) -> StreamPlace {
        let events = node.events
        guard events.streams.add(1, ordering: .relaxed).newValue <= node.configuration.eventStreams else {
            events.streams.subtract(1, ordering: .relaxed)
            events.streamsRefused.add(1, ordering: .relaxed)
            throw APIError(
                status: .serviceUnavailable, code: "too_many_event_streams",
                message: "as many event streams are open as may be (admin.event_streams)", headers: ["Retry-After": "5"]
            )
        }
        return StreamPlace(events)
    }
}
