import Client
import Codec
import Reactor

/// N sessions that stay, until standard input ends: for whoever measures something else beside them.
package enum HoldScenario {
    package static func run(_ options: BenchOptions, progress: @escaping ProgressHandler) async throws(BenchError)
        -> BenchResult
    {
        var configuration = try options.swarm(try options.targetsWithinFileLimit(), members: options.sessions)
        // Several processes connect at the same time: together they stay below a listener's backlog.
        configuration.inFlight = 64
        let session = try SwarmSession("hold", configuration)
        let time = try await session.connect(progress: progress)
        WorkerProcess.say("\(things(options.sessions, "session is", "sessions are")) open")
        while await WorkerProcess.nextLine() != nil {}
        let status = await session.reactor.perform { session.swarm.status }
        await session.close()

        var result = BenchResult(scenario: "hold")
        result.add("sessions", Double(options.sessions))
        result.add("connects_per_second", Double(options.sessions) / time.seconds, .perSecond)
        if status.lost > 0 {
            result.problems.append(
                "\(things(status.lost, "session was", "sessions were")) lost; first: \(status.firstError ?? "unknown")")
        }
        return result
    }
}
