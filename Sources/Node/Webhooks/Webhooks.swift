import Backplane
import Codec
import Logging
import Reactor

/// The webhooks of a node: one collector of its events, and a sender for each part of each webhook. All of it is tasks of the control
/// plane; reactors only put events into a queue.
package actor Webhooks {
    private struct Running {
        let target: WebhookCollector.Target
        let client: WebhookClient
        let senders: Task<Void, Never>
    }

    private struct Collecting {
        let queue: EventQueue
        /// Nil while no webhook wants anything.
        var listener: UInt64?
        let task: Task<Void, Never>
    }

    private let store: WebhookStore
    private let events: NodeEvents
    private let collector: WebhookCollector
    nonisolated let books: WebhookBooks
    private let home: Reactor
    private let isKept: Bool
    private let queueBytes: Int
    private var running: [Running] = []
    private var collecting: Collecting?
    private var isStopped = false

    /// How long a node that stops and keeps events in its memory waits for their delivery.
    private static let farewell: Duration = .seconds(2)
    private static let look: Duration = .milliseconds(100)

    init(node: NodeID, home: Reactor, backplane: any Backplane, events: NodeEvents, queueBytes: Int, log: Logger) {
        let books = WebhookBooks(log: log)
        let store = WebhookStore(home: home, backplane: backplane, books: books)
        self.store = store
        self.events = events
        self.books = books
        self.home = home
        self.queueBytes = queueBytes
        isKept = backplane.kind != "memory"
        collector = WebhookCollector(node: node, store: store, books: books)
    }

    /// Puts other webhooks in force. What waits stays: a webhook is known by its URL.
    func use(_ configuration: Configuration) async {
        guard !isStopped else { return }
        let wanted = configuration.webhooks.map { hook in
            let grace = Int64(clamping: hook.vacatedGrace.wholeNanoseconds / 1_000_000)
            return (
                hook: hook,
                limits: OutboxLimits(bytes: configuration.webhookPendingBytes / OutboxPart.parts, grace: grace)
            )
        }
        // Before others begin: in memory nothing else keeps two from sending the same.
        var kept: [Running] = []
        for one in running {
            if wanted.contains(where: { $0.hook == one.target.hook && $0.limits == one.target.limits }) {
                kept.append(one)
            } else {
                await end(one)
            }
        }
        guard !isStopped else { return }
        let next = wanted.map { hook, limits in
            kept.first { $0.target.hook == hook && $0.target.limits == limits } ?? begin(hook, limits)
        }
        running = next
        collector.use(next.map(\.target))
        await listen(to: next.reduce(into: []) { $0.formUnion($1.target.hook.listened) })
    }

    private func begin(_ hook: Webhook, _ limits: OutboxLimits) -> Running {
        let nudges = (0..<OutboxPart.parts).map { _ in WebhookNudge(reactor: home) }
        let client = WebhookClient(hook, reactor: home)
        let senders = nudges.enumerated().map { number, nudge in
            WebhookSender(
                part: OutboxPart(receiver: hook.id, number: number), limits: limits, client: client, store: store,
                books: books, nudge: nudge)
        }
        let task = Task {
            await withTaskGroup(of: Void.self) { group in
                for sender in senders { group.addTask { await sender.run() } }
            }
        }
        return Running(
            target: .init(hook: hook, limits: limits, nudges: nudges), client: client, senders: task)
    }

    private func end(_ one: Running) async {
        one.senders.cancel()
        await one.senders.value
        one.client.end()
    }

    /// The queue and its task stay once there was a webhook: so events before and after a reload keep their order.
    private func listen(to kinds: EventKinds) async {
        if collecting == nil, !kinds.isEmpty {
            // What the queue drops is counted where it is taken out.
            let queue = EventQueue(maximumBytes: queueBytes)
            let collector = collector
            collecting = Collecting(queue: queue, listener: nil, task: Task { await collector.run(queue) })
        }
        guard let collecting else { return }
        if let listener = collecting.listener {
            guard kinds.isEmpty else { return await events.change(listener, to: kinds) }
            events.remove(listener)
            self.collecting?.listener = nil
        } else if !kinds.isEmpty {
            self.collecting?.listener = await events.add(collecting.queue, kinds: kinds)
        }
    }

    /// Stores what is left to be stored, and ends.
    func stop() async {
        isStopped = true
        if let collecting {
            self.collecting = nil
            if let listener = collecting.listener {
                // What reactors gathered until now is in the queue after that.
                await events.change(listener, to: [])
                events.remove(listener)
            }
            collector.hurry()
            collecting.queue.end()
            await collecting.task.value
        }
        if !isKept { await waitForDelivery() }
        for one in running { await end(one) }
        running = []
    }

    private func waitForDelivery() async {
        let deadline = ContinuousClock.now + Self.farewell
        var waiting = await self.waiting()
        // Who does not take events now will not take them within that time.
        while waiting > 0, books.failing == 0, ContinuousClock.now < deadline {
            try? await Task.sleep(for: Self.look)
            waiting = await self.waiting()
        }
        if waiting > 0 {
            books.dropped(waiting, "the node stops, and with backplane.kind: memory nobody else keeps them")
        }
    }

    private func waiting() async -> Int {
        var sum = 0
        for one in running { sum += (try? await state(of: one.target).get().waiting) ?? 0 }
        return sum
    }

    // MARK: What operators ask

    var targets: [WebhookCollector.Target] { running.map(\.target) }

    /// How all parts of a webhook are doing together.
    func state(of target: WebhookCollector.Target) async -> Result<OutboxState, PublishRefusal> {
        var sum = OutboxState()
        for number in 0..<OutboxPart.parts {
            switch await store(.state, part(number, of: target), target.limits) {
            case .success(.state(let state)): sum.add(state)
            case .success: return .failure(.medium("an unexpected answer"))
            case .failure(let refusal): return .failure(refusal)
            }
        }
        return .success(sum)
    }

    /// The oldest dead letters of all parts, behind a place.
    func letters(
        of target: WebhookCollector.Target, after place: WebhookLetterPlace?, limit: Int
    ) async -> Result<WebhookLetters, PublishRefusal> {
        var pages: [WebhookLetters.Part] = []
        for number in 0..<OutboxPart.parts {
            let first = place?.before(part: number) ?? OutboxID(time: 0, number: 0)
            switch await store(.letters(after: first, limit: limit), part(number, of: target), target.limits) {
            case .success(.letters(let letters, let isLast)): pages.append(.init(letters: letters, isLast: isLast))
            case .success: return .failure(.medium("an unexpected answer"))
            case .failure(let refusal): return .failure(refusal)
            }
        }
        return .success(WebhookLetters(merging: pages, limit: limit))
    }

    /// Resends or purges all dead letters.
    ///
    /// - Returns: How many.
    func moveLetters(of target: WebhookCollector.Target, isPurge: Bool) async -> Result<Int, PublishRefusal> {
        var sum = 0
        for number in 0..<OutboxPart.parts {
            let part = part(number, of: target)
            var moved = 0
            repeat {
                let request = isPurge ? OutboxRequest.purge : .resend(limit: OutboxRequest.portion)
                switch await store(request, part, target.limits) {
                case .success(.moved(let count)): moved = count
                case .success: return .failure(.medium("an unexpected answer"))
                case .failure(let refusal): return .failure(refusal)
                }
                sum += moved
            } while !isPurge && moved == OutboxRequest.portion
            target.nudges[number]()
        }
        return .success(sum)
    }

    private func part(_ number: Int, of target: WebhookCollector.Target) -> OutboxPart {
        OutboxPart(receiver: target.hook.id, number: number)
    }
}

extension OutboxState {
    fileprivate mutating func add(_ other: OutboxState) {
        waiting += other.waiting
        bytes += other.bytes
        oldest = [oldest, other.oldest].compactMap { $0 }.max()
        dead += other.dead
        if let since = other.failingSince, failingSince.map({ since < $0 }) ?? true {
            failingSince = since
            reason = other.reason
        }
    }
}
