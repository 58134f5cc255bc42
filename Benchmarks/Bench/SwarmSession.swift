import Client
import Codec
import Glibc
import Reactor

/// A swarm on a reactor of its own, for asynchronous code.
struct SwarmSession: Sendable {
    let reactor: Reactor
    let swarm: ClientSwarm

    init(_ name: String, _ configuration: ClientSwarm.Configuration) throws(BenchError) {
        do {
            reactor = try Reactor(index: 0, name: name)
        } catch {
            throw BenchError(error.description)
        }
        swarm = ClientSwarm(reactor: reactor, configuration: configuration)
        reactor.start()
    }

    /// Lets the reactor's thread run before others, where the system allows it: then a latency does not contain the
    /// time in which the measuring itself waited for a CPU.
    func hurry() {
        reactor.post { _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, -15) }
    }

    /// Connecting is given up when nobody has come in for so long, in seconds.
    private static let stallSeconds = 60.0

    /// Connects everybody.
    ///
    /// - Returns: How long it took.
    func connect(progress: ProgressHandler) async throws(BenchError) -> Duration {
        let swarm = swarm
        let settled = Flag()
        let start = MonotonicTime.now()
        var progressed = (open: 0, time: start)
        reactor.post {
            swarm.settled = { settled.raise() }
            swarm.connect()
        }
        let members = swarm.configuration.members
        while !settled.isRaised {
            // The end is taken from the flag: this only decides how often progress is shown.
            try? await Task.sleep(for: .milliseconds(20))
            let status = await reactor.perform { swarm.status }
            progress(
                BenchProgress(
                    phase: "connecting", fraction: Double(status.open) / Double(members),
                    detail: "\(status.open) of \(things(members, "session"))"))
            if status.open > progressed.open { progressed = (status.open, .now()) }
            if (MonotonicTime.now() - progressed.time).seconds > Self.stallSeconds {
                let reason = status.firstError.map { "; first failure: \($0)" } ?? ""
                throw BenchError(
                    "\(status.open) of \(things(members, "session")) after \(Int((MonotonicTime.now() - start).seconds)) s, "
                        + "and no more came in for \(Int(Self.stallSeconds)) s\(reason)")
            }
        }
        let status = await reactor.perform { swarm.status }
        guard status.failed == 0 else {
            throw BenchError(
                "\(status.failed) of \(things(members, "session")) could not be opened; first: \(status.firstError ?? "unknown")"
            )
        }
        return settled.time - start
    }

    func close() async {
        let swarm = swarm
        await reactor.perform { swarm.close() }
        reactor.stop()
    }
}

extension Duration {
    var seconds: Double { Double(wholeNanoseconds) / 1e9 }
}
