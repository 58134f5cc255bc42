import Client
import Codec
import Glibc
import Reactor

/// More sessions than one process may have files: several client processes, one broadcast to all of them, every
/// delivery counted, the time until the last.
package enum BroadcastScenario {
    /// Sessions per client process; below what a process may open on common systems.
    private static let sessionsPerWorker = 18_000
    private static let connectSeconds = 300.0
    private static let broadcastSeconds = 60.0

    package static func run(_ options: BenchOptions, progress: @escaping ProgressHandler) async throws(BenchError)
        -> BenchResult
    {
        let targets = try options.targets()
        let publishing = options.publishesToEach ? targets : [targets[0]]
        guard options.sessions > publishing.count else {
            throw BenchError("--sessions has to be more than the publishers")
        }
        _ = Descriptors.raiseLimit()
        let payload = SequencedPayload(bytes: options.bytes, kind: options.payload)

        let configuration = try options.swarm(publishing, members: publishing.count)
        let publishers = try SwarmSession("publisher", configuration)
        _ = try await publishers.connect { _ in }
        let workers = try start(options, sessions: options.sessions - publishing.count, run: payload.run)
        defer { for worker in workers { worker.stop() } }

        let began = MonotonicTime.now()
        try await wait(seconds: connectSeconds, "connecting", options.sessions, progress, workers) { $0.open }
        let connecting = (MonotonicTime.now() - began).seconds
        for worker in workers where worker.snapshot.failed > 0 {
            throw BenchError(
                "\(things(worker.snapshot.failed, "session")) could not be opened: \(worker.snapshot.error)")
        }

        var result = BenchResult(scenario: "broadcast")
        result.add("sessions", Double(options.sessions))
        result.add("servers", Double(targets.count))
        result.add("client_processes", Double(workers.count))
        result.add("connects_per_second", Double(options.sessions) / connecting, .perSecond)
        let before = ServerUsage.read(options.processes)
        let times = try await publish(options, payload, publishers, publishing.count, workers, progress, &result)
        let usage = ServerUsage.read(options.processes) - before
        finish(times, usage, options, workers, &result)
        await publishers.close()
        return result
    }

    private static func start(_ options: BenchOptions, sessions: Int, run: UInt32) throws(BenchError) -> [Worker] {
        let count = (sessions + sessionsPerWorker - 1) / sessionsPerWorker
        var workers: [Worker] = []
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
            workers.append(try Worker(arguments: options.workerArguments, task))
        }
        return workers
    }

    /// Publishes one after the other, each when the one before has arrived everywhere.
    ///
    /// - Returns: Milliseconds to the last delivery of each.
    private static func publish(
        _ options: BenchOptions, _ payload: SequencedPayload, _ publishers: SwarmSession, _ count: Int,
        _ workers: [Worker], _ progress: @escaping ProgressHandler, _ result: inout BenchResult
    ) async throws(BenchError) -> [Double] {
        let swarm = publishers.swarm
        await publishers.reactor.perform { swarm.begin(payload, goal: count) }
        var times: [Double] = []
        for sequence in 0..<UInt32(options.publications) {
            let published = await publishers.reactor.perform {
                let now = MonotonicTime.now()
                for member in 0..<count { swarm.publish(sequence, from: member) }
                return now
            }
            do {
                try await wait(
                    seconds: broadcastSeconds, "broadcast \(sequence + 1) of \(options.publications)", workers.count,
                    progress, workers
                ) { $0.completed > sequence ? 1 : 0 }
            } catch {
                result.problems.append("broadcast \(sequence + 1): \(error)")
                break
            }
            let last = workers.map(\.snapshot.lastNanoseconds).max() ?? 0
            times.append(Double(last &- published.nanoseconds) / 1e6)
        }
        return times
    }

    private static func finish(
        _ times: [Double], _ usage: ServerUsage, _ options: BenchOptions, _ workers: [Worker],
        _ result: inout BenchResult
    ) {
        let counts = workers.map { $0.report().counts }.reduce(DeliveryLedger.Counts(), +)
        let lost = workers.map(\.snapshot.lost).reduce(0, +)
        let sorted = times.sorted()
        result.add("broadcasts", Double(times.count))
        if !sorted.isEmpty {
            result.add("to_last_median", sorted[sorted.count / 2], .milliseconds)
            result.add("to_last_best", sorted[0], .milliseconds)
            result.add("to_last_worst", sorted[sorted.count - 1], .milliseconds)
        }
        result.add("deliveries_counted", Double(counts.deliveries))
        result.add("missing", Double(counts.missing))
        result.add("duplicates", Double(counts.duplicates))
        result.add("sessions_lost", Double(lost))
        if usage.nanoseconds > 0, counts.deliveries > 0 {
            result.add(
                "server_cpu_per_delivery", Double(usage.nanoseconds) / 1000 / Double(counts.deliveries), .microseconds)
        }
        // The publishers are not counted by the workers.
        let publishers = options.publishesToEach ? options.urls.count : 1
        let expected = (options.sessions - publishers) * options.publications
        if counts.deliveries != UInt64(expected) {
            result.problems.append(
                "\(counts.deliveries) of \(things(expected, "delivery was", "deliveries were")) counted")
        }
        if counts.duplicates > 0 {
            result.problems.append("\(things(counts.duplicates, "delivery", "deliveries")) came twice")
        }
        if lost > 0 { result.problems.append("\(things(lost, "session was", "sessions were")) lost") }
    }

    private static func wait(
        seconds: Double, _ phase: String, _ goal: Int, _ progress: ProgressHandler, _ workers: [Worker],
        _ value: (Worker.Snapshot) -> Int
    ) async throws(BenchError) {
        let start = MonotonicTime.now()
        var goal = goal
        if phase == "connecting" { goal = workers.map(\.sessions).reduce(0, +) }
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
            if phase == "connecting", snapshots.allSatisfy({ $0.isSettled }) { return }
            if (MonotonicTime.now() - start).seconds > seconds {
                throw BenchError("\(reached) of \(goal) after \(Int(seconds)) s")
            }
            try? await Task.sleep(for: .milliseconds(5))
        }
    }
}
