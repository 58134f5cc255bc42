import Codec
import Hummingbird
import NIOCore
import Synchronization

/// `GET /api/v1/events`: what happens on this node, as it happens, as a `text/event-stream`.
///
/// A reader that does not keep up costs the node at most `limits.event_bytes`; it is told how many events it missed, where they are
/// missing.
struct EventStream {
    let node: RunningNode
    let kinds: EventKinds

    /// - Parameter text: Names of kinds with commas between them; nil for all.
    init(node: RunningNode, kinds text: String?) throws {
        self.node = node
        guard let text else {
            kinds = .all
            return
        }
        var kinds: EventKinds = []
        for name in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let kind = EventKinds(name: name) else {
                throw APIError.badRequest(
                    "invalid_parameter",
                    "'kinds' has an unknown kind '\(name.prefix(64))'; known are \(EventKinds.all.names.joined(separator: ", "))"
                )
            }
            kinds.formUnion(kind)
        }
        self.kinds = kinds
    }

    func response(to request: Request, on channel: any Channel) throws -> Response {
        let place = try StreamPlace.take(on: node)
        let events = node.events
        let id = node.id
        let kinds = kinds
        let queue = EventQueue(maximumBytes: events.maximumBytes) {
            events.missed.add(UInt64(clamping: $0), ordering: .relaxed)
        }
        return AdminStream(
            queue: queue, greeting: ("listening", greeting),
            begin: {
                let listener = await events.add(queue, kinds: kinds)
                return { events.remove(listener) }
            },
            write: { batch, text in for event in batch.events { EventText.writeStreamed(event, node: id, to: text) } },
            dropped: "events"
        ).response(to: request, on: channel, in: place)
    }

    private var greeting: String {
        let names = kinds.names.map { "\"\($0)\"" }.joined(separator: ",")
        return "{\"node\":\"\(node.id)\",\"kinds\":[\(names)]}"
    }
}
