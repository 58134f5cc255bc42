import Client
import Foundation
import Reactor
import Synchronization

/// The other end of a `Worker`: holds its sessions, counts what arrives and says so on standard output.
package enum WorkerProcess {
    /// How often it says how many sessions are open: many processes say it to one.
    private static let sayingNanoseconds: UInt64 = 200_000_000

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
        configuration.returns = task.returns
        configuration.samples = task.samples
        let session = try SwarmSession("worker", configuration)
        let swarm = session.swarm
        let payload = SequencedPayload(bytes: task.bytes, kind: options.payload, run: task.run)
        await session.reactor.perform {
            swarm.begin(payload, goal: task.sessions)
            swarm.completed = { say("done \($0) \(MonotonicTime.now().nanoseconds)") }
        }
        let said = Atomic<UInt64>(0)
        _ = try await session.connect { progress in
            let now = MonotonicTime.now().nanoseconds
            guard now - said.load(ordering: .relaxed) > sayingNanoseconds else { return }
            said.store(now, ordering: .relaxed)
            say("open \(Int((progress.fraction * Double(task.sessions)).rounded())) 0 0")
        }
        say("open \(task.sessions) 0 1")
        while let line = await nextLine() {
            await answer(line, session, task, options.payload)
        }
        await session.close()
    }

    private static func answer(
        _ line: String, _ session: SwarmSession, _ task: WorkerTask, _ payload: SequencedPayload.Kind
    ) async {
        let swarm = session.swarm
        let words = line.split(separator: " ")
        switch words.first {
        case "report":
            let (counts, status) = await session.reactor.perform { (swarm.ledger.counts, swarm.status) }
            say(
                "counts \(counts.deliveries) \(counts.duplicates) \(counts.reordered) \(counts.missing) "
                    + "\(counts.foreign) \(status.lost) \(status.away) \(status.returned)")
        case "begin":
            guard let run = words.last.flatMap({ UInt32($0, radix: 16) }) else { return }
            let payload = SequencedPayload(bytes: task.bytes, kind: payload, run: run)
            await session.reactor.perform {
                swarm.begin(payload, goal: task.sessions)
                say("begun")
            }
        case "curve":
            let curve = await session.reactor.perform { swarm.takeCurve() }
            say("curve " + curve.map { "\($0.time) \($0.deliveries)" }.joined(separator: " "))
        default: break
        }
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
