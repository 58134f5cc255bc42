import Client
import Codec
import Glibc
import Reactor

/// More sessions than one process may have files: several client processes, one broadcast to all of them, every
/// delivery counted, the time until the last.
package enum BroadcastScenario {
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
        let crew = try WorkerCrew(
            options, sessions: options.sessions - publishing.count, run: payload.run, progress: progress)
        defer { crew.stop() }
        let connecting = try await crew.connect()

        var result = BenchResult(scenario: "broadcast")
        result.add("sessions", Double(options.sessions))
        result.add("servers", Double(targets.count))
        result.add("client_processes", Double(crew.workers.count))
        result.add("connects_per_second", Double(options.sessions) / connecting, .perSecond)
        let before = ServerUsage.read(options.processes)
        let times = try await publish(options, payload, publishers, publishing.count, crew, &result)
        let usage = ServerUsage.read(options.processes) - before
        try await finish(times, usage, options, crew, &result)
        await publishers.close()
        return result
    }

    /// Publishes one after the other, each when the one before has arrived everywhere.
    ///
    /// - Returns: Milliseconds to the last delivery of each.
    private static func publish(
        _ options: BenchOptions, _ payload: SequencedPayload, _ publishers: SwarmSession, _ count: Int,
        _ crew: WorkerCrew, _ result: inout BenchResult
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
                let last = try await crew.arrival(
                    of: sequence, seconds: broadcastSeconds,
                    "broadcast \(sequence + 1) of \(options.publications)")
                times.append((last - published).seconds * 1000)
            } catch {
                result.problems.append("broadcast \(sequence + 1): \(error)")
                break
            }
        }
        return times
    }

    private static func finish(
        _ times: [Double], _ usage: ServerUsage, _ options: BenchOptions, _ crew: WorkerCrew,
        _ result: inout BenchResult
    ) async throws(BenchError) {
        try await crew.report()
        let (counts, lost) = (crew.counts, crew.lost)
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
}
