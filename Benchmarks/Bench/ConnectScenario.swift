import Client
import Codec
import Reactor

/// N sessions as fast as they go: TCP, handshake, subscribe.
package enum ConnectScenario {
    package static func run(_ options: BenchOptions, progress: @escaping ProgressHandler) async throws(BenchError)
        -> BenchResult
    {
        let targets = try options.targetsWithinFileLimit()
        let configuration = try options.swarm(targets, members: options.sessions)
        let session = try SwarmSession("bench", configuration)
        let before = ServerUsage.read(options.processes)
        let ownBefore = ServerUsage.ofThisProcess()
        let time = try await session.connect(progress: progress)
        let usage = ServerUsage.read(options.processes) - before
        let ownUsage = ServerUsage.ofThisProcess() - ownBefore
        let status = await session.reactor.perform { session.swarm.status }
        await session.close()

        let sessions = Double(options.sessions)
        var result = BenchResult(scenario: "connect")
        result.add("sessions", sessions)
        result.add("seconds", time.seconds, .seconds)
        result.add("connects_per_second", sessions / time.seconds, .perSecond)
        if usage.nanoseconds > 0 {
            result.add("server_cpu_per_connect", Double(usage.nanoseconds) / 1000 / sessions, .microseconds)
        }
        result.add("bench_cpu_per_connect", Double(ownUsage.nanoseconds) / 1000 / sessions, .microseconds)
        if status.lost > 0 {
            result.problems.append(
                "\(things(status.lost, "session was", "sessions were")) lost; first: \(status.firstError ?? "unknown")")
        }
        return result
    }
}

/// Memory of the server per session that does nothing. A first tenth of the sessions warms its allocator up and is not
/// counted.
package enum IdleScenario {
    package static func run(_ options: BenchOptions, progress: @escaping ProgressHandler) async throws(BenchError)
        -> BenchResult
    {
        let targets = try options.targetsWithinFileLimit()
        guard !options.processes.isEmpty else {
            throw BenchError("idle measures the server's memory: give its process with --server-pid")
        }
        let first = max(1, options.sessions / 10)
        let second = max(1, options.sessions - first)
        let warm = try await connect(first, targets, options, progress)
        let before = ServerUsage.memory(of: options.processes)
        let counted = try await connect(second, targets, options, progress)
        try? await Task.sleep(for: .seconds(min(options.seconds, 2)))
        let after = ServerUsage.memory(of: options.processes)
        await warm.close()
        await counted.close()

        var result = BenchResult(scenario: "idle")
        result.add("sessions", Double(options.sessions))
        result.add("counted_sessions", Double(second))
        result.add("private_per_session", difference(after.privateBytes, before.privateBytes, second), .bytes)
        result.add("resident_per_session", difference(after.residentBytes, before.residentBytes, second), .bytes)
        result.add("resident", Double(after.residentBytes), .bytes)
        return result
    }

    private static func connect(
        _ sessions: Int, _ targets: [Target], _ options: BenchOptions, _ progress: @escaping ProgressHandler
    ) async throws(BenchError) -> SwarmSession {
        let session = try SwarmSession("idle", try options.swarm(targets, members: sessions))
        _ = try await session.connect(progress: progress)
        return session
    }

    private static func difference(_ after: UInt64, _ before: UInt64, _ sessions: Int) -> Double {
        (Double(after) - Double(before)) / Double(sessions)
    }
}
