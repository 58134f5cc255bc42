import Backplane
import Codec
import Reactor
import Synchronization

/// Takes events of this node from a queue, writes them as applications get them, and stores them in the queues of the webhooks they
/// concern, in order. While they cannot be stored, they wait here, and then in the queue.
final class WebhookCollector: Sendable {
    /// A webhook, and who is to be woken when something waits for it: one for each part.
    struct Target: Sendable {
        let hook: Webhook
        let limits: OutboxLimits
        let nudges: [WebhookNudge]
    }

    private let node: NodeID
    private let store: WebhookStore
    private let books: WebhookBooks
    private let targets = Mutex<[Target]>([])
    /// When the node stops: what cannot be stored until then is given up. In nanoseconds of the monotonic clock.
    private let deadline = Atomic<UInt64>(.max)
    private let written = Atomic<UInt64>(0)

    /// Events and bytes that are stored in one step.
    private static let portion = 256
    private static let portionBytes = 256 * 1024
    /// Storing costs more than an event. So events that come one by one are stored together, this long after each other.
    private static let spacing: Duration = .milliseconds(5)
    private static let pauses: ClosedRange<Double> = 0.1...0.5
    /// How long it is tried to store what is left when the node stops, in nanoseconds.
    private static let farewell: UInt64 = 2_000_000_000

    init(node: NodeID, store: WebhookStore, books: WebhookBooks) {
        self.node = node
        self.store = store
        self.books = books
    }

    func use(_ next: [Target]) { targets.withLock { $0 = next } }
    func hurry() { deadline.store(MonotonicTime.now().nanoseconds &+ Self.farewell, ordering: .relaxed) }

    /// Until the queue ends.
    func run(_ queue: EventQueue) async {
        let writer = ByteWriter()
        while let batch = await queue.next() {
            let began = MonotonicTime.now()
            if batch.dropped > 0 {
                books.dropped(batch.dropped, "they waited in the node's memory (limits.webhook_bytes)")
            }
            let targets = targets.withLock { $0 }
            var lots: [OutboxPart: Lot] = [:]
            for event in batch.events { sort(event, targets, with: writer, into: &lots) }
            if lots.count == 1, let (part, lot) = lots.first {
                await store(lot, in: part)
            } else {
                await withTaskGroup(of: Void.self) { group in
                    for (part, lot) in lots { group.addTask { await self.store(lot, in: part) } }
                }
            }
            let rest = began + Self.spacing - MonotonicTime.now()
            if rest > .zero, batch.events.count < Self.portion { try? await Task.sleep(for: rest) }
        }
    }

    /// What goes to one part.
    private struct Lot: Sendable {
        let target: Target
        var events: [OutboxEvent] = []
    }

    private func sort(
        _ event: NodeEvent, _ targets: [Target], with writer: ByteWriter, into lots: inout [OutboxPart: Lot]
    ) {
        var body: [UInt8] = []
        let number = WebhookParts.of(channel: event.channel, session: event.session)
        for target in targets where target.hook.concerns(event.kind, event.channel) {
            if body.isEmpty {
                writer.removeAll()
                let count = written.wrappingAdd(1, ordering: .relaxed).newValue
                CloudEvents.write(event, number: count, node: node, to: writer)
                body = Array(writer.bytes)
            }
            let part = OutboxPart(receiver: target.hook.id, number: number)
            let isWanted = target.hook.kinds.contains(event.kind)
            lots[part, default: Lot(target: target)].events.append(
                OutboxEvent(Self.kind(of: event), body: isWanted ? body : []))
        }
    }

    private static func kind(of event: NodeEvent) -> OutboxEvent.Kind {
        guard case .occupancy(let order) = event.details, let channel = event.channel else { return .plain }
        return event.kind == .channelOccupied ? .occupied(channel, order: order) : .vacated(channel, order: order)
    }

    private func store(_ lot: Lot, in part: OutboxPart) async {
        var rest = lot.events[...]
        while !rest.isEmpty {
            var bytes = 0
            let portion = rest.prefix(Self.portion).prefix { event in
                defer { bytes += event.weight }
                return bytes == 0 || bytes + event.weight <= Self.portionBytes
            }
            rest = rest.dropFirst(portion.count)
            await store(Array(portion), of: lot.target, in: part)
        }
        lot.target.nudges[part.number]()
    }

    /// Tries until they are stored: after an answer that was lost they may be stored twice, with the same ids.
    private func store(_ events: [OutboxEvent], of target: Target, in part: OutboxPart) async {
        while true {
            let answer = await store(.append(events), part, target.limits)
            if case .success(.appended(let dropped)) = answer {
                books.count { $0.accepted &+= UInt64(clamping: events.count - dropped) }
                if dropped > 0 {
                    books.dropped(
                        dropped, "too much waits for \(target.hook.url.shown) (limits.webhook_pending_bytes)")
                }
                return
            }
            guard MonotonicTime.now().nanoseconds < deadline.load(ordering: .relaxed) else {
                return books.dropped(events.count, "the node stops and could not store them")
            }
            try? await Task.sleep(for: .seconds(Double.random(in: Self.pauses)))
        }
    }
}
