import Client
import Codec
import Glibc
import Reactor

/// Publishes as fast as publications complete: at most `window` are outstanding.
///
/// Runs on the swarm's reactor, hence `@unchecked Sendable`. A publication is complete when it has arrived at every
/// member, or at the observer. Deliveries and CPU are read at the same two moments, so that long publications need not
/// fit into the measured time.
final class ClosedLoop: @unchecked Sendable {
    struct Settings: Sendable {
        var window = 1
        var bytes = 128
        var payload = SequencedPayload.Kind.text
        var warmUp = 1.0
        var seconds = 5.0
        /// Between a completion and the next publication.
        var pause: Duration?
        var publisher = 0
        /// The only member that counts; nil for all.
        var observer: Int?
        var processes: [Int32] = []
        var allocationFiles: [String] = []
    }

    struct Result: Sendable {
        /// Complete ones, in the measured time.
        var publications: UInt64 = 0
        var deliveries: UInt64 = 0
        var seconds = 0.0
        /// What was read in the measured time, decrypted and not inflated, with the frames around it.
        var bytesReceived: UInt64 = 0
        /// Over the whole run: messages that came compressed, and of them those that had to be inflated to be checked.
        var compressed: UInt64 = 0
        var inflated: UInt64 = 0
        var usage = ServerUsage()
        var ownUsage = ServerUsage()
        /// From publishing to the last delivery that completes a publication.
        var toLast = Distribution()
        /// Over the whole run.
        var counts = DeliveryLedger.Counts()
        var sessionsLost = 0
        var problems: [String] = []
    }

    private enum Phase { case warmUp, measuring, draining, finished }

    private let session: SwarmSession
    private let settings: Settings
    private let progress: ProgressHandler
    private let finished = Flag()
    private var result = Result()
    private var phase = Phase.warmUp
    private var phaseBegan = MonotonicTime.now()
    private var next: UInt32 = 0
    private var outstanding = 0
    private var sentAt = [MonotonicTime](repeating: MonotonicTime(nanoseconds: 0), count: DeliveryLedger.span)
    private var usageBefore = ServerUsage()
    private var ownBefore = ServerUsage()
    private var deliveriesBefore: UInt64 = 0
    private var bytesBefore: UInt64 = 0
    private var deliveriesSeen: UInt64 = 0
    private var lastDelivery = MonotonicTime.now()

    /// How often phases are looked at.
    private static let interval = Duration.milliseconds(50)
    /// How long the outstanding publications may take at the end, in seconds.
    private static let drainSeconds = 30.0

    init(_ session: SwarmSession, _ settings: Settings, progress: @escaping ProgressHandler) {
        self.session = session
        self.settings = settings
        self.progress = progress
    }

    private var swarm: ClientSwarm { session.swarm }

    func run() async -> Result {
        session.reactor.post { self.start() }
        while !finished.isRaised { try? await Task.sleep(for: .milliseconds(20)) }
        return await session.reactor.perform { self.result }
    }

    /// Ends the measured time now.
    func finishMeasuring() {
        session.reactor.post { if self.phase == .measuring { self.endMeasuring() } }
    }

    private func start() {
        let payload = SequencedPayload(bytes: settings.bytes, kind: settings.payload)
        swarm.observer = settings.observer ?? -1
        swarm.begin(payload, goal: settings.observer == nil ? swarm.status.open : 1)
        swarm.completed = { [unowned self] in self.completed($0) }
        phaseBegan = .now()
        lastDelivery = phaseBegan
        for _ in 0..<settings.window { publish() }
        tick()
    }

    private func publish() {
        sentAt[Int(next) & (DeliveryLedger.span - 1)] = .now()
        swarm.publish(next, from: settings.publisher)
        next &+= 1
        outstanding += 1
    }

    private func completed(_ sequence: UInt32) {
        outstanding -= 1
        if phase == .measuring {
            result.publications += 1
            result.toLast.record((.now() - sentAt[Int(sequence) & (DeliveryLedger.span - 1)]).wholeNanoseconds)
        }
        guard phase == .warmUp || phase == .measuring else { return }
        guard let pause = settings.pause else { return publish() }
        session.reactor.schedule(after: pause) { [self] in
            if phase == .warmUp || phase == .measuring { publish() }
        }
    }

    private func tick() {
        let now = MonotonicTime.now()
        let elapsed = (now - phaseBegan).seconds
        let deliveries = swarm.ledger.counts.deliveries
        if deliveries != deliveriesSeen {
            deliveriesSeen = deliveries
            lastDelivery = now
        }
        let isStalled = (now - lastDelivery).seconds > BenchOptions.stallSeconds
        if isStalled {
            result.problems.append("no delivery for \(Int(BenchOptions.stallSeconds)) s; \(outstanding) outstanding")
        }
        switch phase {
        case .warmUp:
            if elapsed >= settings.warmUp || isStalled { beginMeasuring(now) }
        case .measuring:
            if elapsed >= settings.seconds || isStalled { endMeasuring() }
        case .draining:
            if outstanding == 0 || isStalled || elapsed > Self.drainSeconds { return finish() }
        case .finished: return
        }
        report(elapsed)
        session.reactor.schedule(after: Self.interval) { [self] in tick() }
    }

    private func report(_ elapsed: Double) {
        let (name, limit) =
            switch phase {
            case .warmUp: ("warming up", max(settings.warmUp, 0.001))
            case .measuring: ("measuring", settings.seconds)
            case .draining, .finished: ("draining", Self.drainSeconds)
            }
        progress(
            BenchProgress(
                phase: name, fraction: min(1, elapsed / limit),
                detail: things(swarm.ledger.counts.deliveries, "delivery", "deliveries")))
    }

    private func beginMeasuring(_ now: MonotonicTime) {
        phase = .measuring
        phaseBegan = now
        usageBefore = .read(settings.processes, allocations: settings.allocationFiles)
        ownBefore = .ofThisProcess()
        deliveriesBefore = swarm.ledger.counts.deliveries
        bytesBefore = swarm.status.bytesReceived
    }

    private func endMeasuring() {
        let now = MonotonicTime.now()
        result.usage = .read(settings.processes, allocations: settings.allocationFiles) - usageBefore
        result.ownUsage = .ofThisProcess() - ownBefore
        result.deliveries = swarm.ledger.counts.deliveries - deliveriesBefore
        result.bytesReceived = swarm.status.bytesReceived - bytesBefore
        result.seconds = (now - phaseBegan).seconds
        phase = .draining
        phaseBegan = now
    }

    private func finish() {
        phase = .finished
        result.counts = swarm.ledger.counts
        result.sessionsLost = swarm.status.lost
        result.compressed = swarm.status.compressed
        result.inflated = swarm.status.inflated
        if outstanding > 0 {
            result.problems.append(
                "\(outstanding) of \(things(next, "publication")) did not arrive everywhere")
        }
        if result.counts.missing > 0 {
            result.problems.append("\(things(result.counts.missing, "delivery is", "deliveries are")) missing")
        }
        if result.counts.duplicates > 0 {
            result.problems.append("\(things(result.counts.duplicates, "delivery", "deliveries")) came twice")
        }
        if result.counts.reordered > 0 { result.problems.append("\(result.counts.reordered) came out of order") }
        if result.counts.foreign > 0 {
            result.problems.append(
                "\(things(result.counts.foreign, "message is", "messages are")) not what was published")
        }
        if result.sessionsLost > 0 {
            result.problems.append(
                "\(things(result.sessionsLost, "session was", "sessions were")) lost; first: \(swarm.status.firstError ?? "unknown")"
            )
        }
        swarm.completed = nil
        finished.raise()
    }
}
