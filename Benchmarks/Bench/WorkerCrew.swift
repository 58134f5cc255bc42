import Client
import Codec
import Reactor

/// The client processes that hold the sessions of one measurement between them.
struct WorkerCrew: Sendable {
    let workers: [Worker]
    private let progress: ProgressHandler

    /// Sessions per client process; below what a process may open on common systems.
    private static let sessionsPerWorker = 18_000
    /// How long all of them may take to connect: longer than a process waits for one more session, however many there are.
    private static func connectSeconds(_ sessions: Int) -> Double { 300 + Double(sessions) / 1000 }
    private static let answerSeconds = 30.0

    var sessions: Int { workers.map(\.sessions).reduce(0, +) }
    var lost: Int { workers.map(\.snapshot.lost).reduce(0, +) }
    var counts: DeliveryLedger.Counts { workers.map(\.snapshot.counts).reduce(DeliveryLedger.Counts(), +) }

    /// Starts the processes; each begins to connect at once.
    ///
    /// - Parameter change: What is said to each of them beyond the options.
    init(
        _ options: BenchOptions, sessions: Int, run: UInt32, progress: @escaping ProgressHandler,
        changing change: (inout WorkerTask) -> Void = { _ in }
    ) throws(BenchError) {
        let count = max(1, (sessions + Self.sessionsPerWorker - 1) / Self.sessionsPerWorker)
        var workers: [Worker] = []
        do {
            for index in 0..<count {
                // Spread evenly, and over the servers beginning at another one each.
                let share = sessions / count + (index < sessions % count ? 1 : 0)
                let turned = (0..<options.urls.count).map { options.urls[($0 + index) % options.urls.count] }
                var task = WorkerTask(urls: turned, sessions: share, bytes: options.bytes, run: run)
                task.dialect = options.dialect.rawValue
                task.channel = options.channel
                task.payload = options.payload.rawValue
                task.offersCompression = options.offersCompression
                task.ownsTarget = options.ownsTarget
                change(&task)
                workers.append(try Worker(arguments: options.workerArguments, task))
            }
        } catch {
            Self.stop(workers)
            throw error
        }
        self.workers = workers
        self.progress = progress
    }

    func stop() { Self.stop(workers) }

    private static func stop(_ workers: [Worker]) {
        for worker in workers { worker.end() }
        for worker in workers { worker.waitForEnd() }
    }

    /// Waits until everybody is in.
    ///
    /// - Returns: How long it took, in seconds.
    func connect() async throws(BenchError) -> Double {
        let began = MonotonicTime.now()
        try await wait(seconds: Self.connectSeconds(sessions), "connecting", sessions) { $0.open }
        for worker in workers where worker.snapshot.failed > 0 {
            throw BenchError(
                "\(things(worker.snapshot.failed, "session")) could not be opened: \(worker.snapshot.error)")
        }
        return (MonotonicTime.now() - began).seconds
    }

    /// Waits until a publication has come to every session.
    ///
    /// - Returns: When it came to the last one.
    func arrival(of sequence: UInt32, seconds: Double, _ phase: String) async throws(BenchError) -> MonotonicTime {
        try await wait(seconds: seconds, phase, workers.count) { $0.completed > sequence ? 1 : 0 }
        return MonotonicTime(nanoseconds: workers.map(\.snapshot.lastNanoseconds).max() ?? 0)
    }

    /// Asks all for their counts, and waits for them.
    func report() async throws(BenchError) { try await ask("report", \.reports) }

    /// From now on the publications of another run are counted.
    func begin(run: UInt32) async throws(BenchError) { try await ask("begin \(String(run, radix: 16))", \.runs) }

    /// When deliveries came, to all together, since the last time it was asked.
    func curve() async throws(BenchError) -> [DeliveryCurve.Sample] {
        try await ask("curve", \.curves)
        var sum: [UInt64: UInt64] = [:]
        for sample in workers.flatMap(\.snapshot.curve) { sum[sample.time, default: 0] += sample.deliveries }
        return sum.keys.sorted().map { DeliveryCurve.Sample(time: $0, deliveries: sum[$0] ?? 0) }
    }

    private func ask(_ command: String, _ answers: (Worker.Snapshot) -> Int) async throws(BenchError) {
        let before = workers.map { answers($0.snapshot) }
        for worker in workers { worker.tell(command) }
        let start = MonotonicTime.now()
        while zip(workers, before).contains(where: { answers($0.snapshot) == $1 && !$0.snapshot.hasEnded }) {
            guard (MonotonicTime.now() - start).seconds < Self.answerSeconds else {
                throw BenchError("a client process did not answer '\(command)' within \(Int(Self.answerSeconds)) s")
            }
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    private func wait(
        seconds: Double, _ phase: String, _ goal: Int, _ value: (Worker.Snapshot) -> Int
    ) async throws(BenchError) {
        let start = MonotonicTime.now()
        while true {
            let snapshots = workers.map(\.snapshot)
            let reached = snapshots.map(value).reduce(0, +)
            progress(
                BenchProgress(
                    phase: phase, fraction: Double(reached) / Double(goal), detail: "\(reached) of \(goal)"))
            if reached >= goal { return }
            if let ended = snapshots.first(where: \.hasEnded) {
                throw BenchError("a client process ended: \(ended.error)")
            }
            if (MonotonicTime.now() - start).seconds > seconds {
                throw BenchError("\(reached) of \(goal) after \(Int(seconds)) s")
            }
            try? await Task.sleep(for: .milliseconds(5))
        }
    }
}
