import Client
import Foundation
import Reactor

/// The other end of a `Worker`: holds its sessions, counts what arrives and says so on standard output.
package enum WorkerProcess {
    package static func run() async throws(BenchError) {
        guard let line = readLine(), let task = try? JSONDecoder().decode(WorkerTask.self, from: Data(line.utf8)) else {
            throw BenchError("a worker is started by `bench broadcast` and told what to do on its standard input")
        }
        do {
            try await work(task)
        } catch {
            say("error \(error.description.replacing("\n", with: " "))")
            throw error
        }
    }

    private static func work(_ task: WorkerTask) async throws(BenchError) {
        var options = BenchOptions()
        options.urls = task.urls
        options.sessions = task.sessions
        options.bytes = task.bytes
        options.channel = task.channel
        options.offersCompression = task.offersCompression
        guard options.use(dialect: task.dialect), options.use(payload: task.payload) else {
            throw BenchError("a worker was told of a dialect or a payload that it does not know")
        }
        options.ownsTarget = task.ownsTarget
        var configuration = try options.swarm(try options.targetsWithinFileLimit(), members: task.sessions)
        // Several processes connect at the same time: together they stay below a listener's backlog.
        configuration.inFlight = 64
        let session = try SwarmSession("worker", configuration)
        let swarm = session.swarm
        let payload = SequencedPayload(bytes: task.bytes, kind: options.payload, run: task.run)
        await session.reactor.perform {
            swarm.begin(payload, goal: task.sessions)
            swarm.completed = { say("done \($0) \(MonotonicTime.now().nanoseconds)") }
        }
        _ = try await session.connect { progress in
            say("open \(Int((progress.fraction * Double(task.sessions)).rounded())) 0 0")
        }
        say("open \(task.sessions) 0 1")
        while let line = await nextLine() {
            guard line == "report" else { continue }
            let (counts, lost) = await session.reactor.perform { (swarm.ledger.counts, swarm.status.lost) }
            say("counts \(counts.deliveries) \(counts.duplicates) \(counts.reordered) \(counts.missing) \(lost)")
        }
        await session.close()
    }

    /// Waits for a line on a thread of its own, so that none of the pool's is blocked.
    static func nextLine() async -> String? {
        await withCheckedContinuation { continuation in
            Thread { continuation.resume(returning: readLine()) }.start()
        }
    }

    static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
    }
}
