import Client
import Codec
import Reactor

/// A camera: publications at fixed times, whether or not the ones before have arrived everywhere, and the delay of every delivery.
///
/// Where the channel's rule says `slow: latest`, viewers may be given fewer: how many deliveries were left out is a result, and no
/// problem.
package enum CameraScenario {
    package static func run(_ options: BenchOptions, progress: @escaping ProgressHandler) async throws(BenchError)
        -> BenchResult
    {
        let targets = try options.targetsWithinFileLimit()
        guard options.rate >= 0.1, options.rate <= 1000 else { throw BenchError("--rate has to be 0.1 to 1000") }
        let configuration = try options.swarm(targets, members: options.sessions)
        let session = try SwarmSession("bench", configuration)
        _ = try await session.connect(progress: progress)
        let camera = Camera(session, options, progress: progress)
        let measured = await camera.run()
        await session.close()

        var result = BenchResult(scenario: "camera")
        result.add("sessions", Double(options.sessions))
        result.add("payload", Double(options.bytes), .bytes)
        result.add("seconds", measured.seconds, .seconds)
        result.add("publications_per_second", Double(measured.publications) / measured.seconds, .perSecond)
        result.add("deliveries_per_second", Double(measured.delay.count) / measured.seconds, .perSecond)
        result.add("left_out", Double(measured.counts.missing))
        result.add("delay", measured.delay)
        if measured.usage.nanoseconds > 0 {
            result.add("server_busy", Double(measured.usage.nanoseconds) / 1e9 / measured.seconds)
        }
        result.add("bench_busy", Double(measured.ownUsage.nanoseconds) / 1e9 / measured.seconds)
        result.problems = measured.problems
        return result
    }
}

/// Runs on the swarm's reactor, hence `@unchecked Sendable`.
private final class Camera: @unchecked Sendable {
    struct Result: Sendable {
        /// Sent in the measured time.
        var publications = 0
        var seconds = 0.0
        /// Of each delivery in the measured time, from publishing to the client.
        var delay = Distribution()
        /// Over the whole run.
        var counts = DeliveryLedger.Counts()
        var usage = ServerUsage()
        var ownUsage = ServerUsage()
        var problems: [String] = []
    }

    private let session: SwarmSession
    private let options: BenchOptions
    private let progress: ProgressHandler
    private let interval: Double
    private let finished = Flag()
    private var result = Result()
    private var began = MonotonicTime.now()
    private var next: UInt32 = 0
    private var sentAt = [MonotonicTime](repeating: MonotonicTime(nanoseconds: 0), count: DeliveryLedger.span)
    private var isMeasuring = false

    /// How long what is under way at the end may take, in seconds.
    private static let drain = 1.0

    init(_ session: SwarmSession, _ options: BenchOptions, progress: @escaping ProgressHandler) {
        self.session = session
        self.options = options
        self.progress = progress
        interval = 1 / options.rate
    }

    private var swarm: ClientSwarm { session.swarm }

    func run() async -> Result {
        session.reactor.post { self.start() }
        while !finished.isRaised { try? await Task.sleep(for: .milliseconds(20)) }
        return await session.reactor.perform { self.result }
    }

    private func start() {
        // Every arrival completes its publication, and so is told.
        swarm.begin(SequencedPayload(bytes: options.bytes, kind: options.payload), goal: 1)
        swarm.completed = { [unowned self] sequence in
            guard isMeasuring else { return }
            result.delay.record((.now() - sentAt[Int(sequence) & (DeliveryLedger.span - 1)]).wholeNanoseconds)
        }
        began = .now()
        tick()
    }

    /// The time for a picture has come.
    private func tick() {
        let elapsed = (MonotonicTime.now() - began).seconds
        if !isMeasuring, result.publications == 0, elapsed >= options.warmUpSeconds {
            isMeasuring = true
            result.usage = .read(options.processes)
            result.ownUsage = .ofThisProcess()
        }
        guard elapsed < options.warmUpSeconds + options.seconds else { return stop(elapsed) }
        sentAt[Int(next) & (DeliveryLedger.span - 1)] = .now()
        swarm.publish(next)
        next &+= 1
        if isMeasuring { result.publications += 1 }
        progress(
            BenchProgress(
                phase: isMeasuring ? "measuring" : "warming up",
                fraction: min(1, elapsed / (options.warmUpSeconds + options.seconds)),
                detail: things(next, "publication")))
        // By the clock, so that a late one makes the next one no later.
        let wait = max(0, Double(next) * interval - (MonotonicTime.now() - began).seconds)
        session.reactor.schedule(after: .nanoseconds(Int64(wait * 1e9))) { [self] in tick() }
    }

    private func stop(_ elapsed: Double) {
        result.seconds = elapsed - options.warmUpSeconds
        result.usage = .read(options.processes) - result.usage
        result.ownUsage = .ofThisProcess() - result.ownUsage
        session.reactor.schedule(after: .milliseconds(Int64(Self.drain * 1000))) { [self] in finish() }
    }

    private func finish() {
        isMeasuring = false
        swarm.completed = nil
        result.counts = swarm.ledger.counts
        if result.counts.duplicates > 0 {
            result.problems.append("\(things(result.counts.duplicates, "delivery", "deliveries")) came twice")
        }
        if result.counts.reordered > 0 { result.problems.append("\(result.counts.reordered) came out of order") }
        if result.counts.foreign > 0 {
            result.problems.append(
                "\(things(result.counts.foreign, "message is", "messages are")) not what was published")
        }
        if swarm.status.lost > 0 {
            result.problems.append(
                "\(things(swarm.status.lost, "session was", "sessions were")) lost; first: \(swarm.status.firstError ?? "unknown")"
            )
        }
        finished.raise()
    }
}
