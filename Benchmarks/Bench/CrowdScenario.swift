import Client
import Codec
import Foundation
import Reactor

/// Sessions in several client processes that stay, and do what lines on standard input say: for a measurement that does
/// something to the servers meanwhile. Each line is answered by a line of JSON on standard output.
///
/// | line | what it does |
/// |---|---|
/// | `run RUN` | from now on publications of the run with these hexadecimal digits are counted, beginning with 0 |
/// | `broadcast` | publishes the next one of the run, and waits until it is everywhere |
/// | `await SEQUENCE SECONDS` | waits until a publication of the run, published by somebody else, is everywhere |
/// | `counts` | what came, what did not, and who is still there |
package enum CrowdScenario {
    private static let broadcastSeconds = 120.0

    package static func run(_ options: BenchOptions, progress: @escaping ProgressHandler) async throws(BenchError)
        -> BenchResult
    {
        let targets = try options.targets()
        _ = Descriptors.raiseLimit()
        let publishing = options.publishesToEach ? targets : [targets[0]]
        let publishers = try SwarmSession(
            "publisher", try options.swarm(publishing, members: publishing.count))
        _ = try await publishers.connect { _ in }
        let payload = SequencedPayload(bytes: options.bytes, kind: options.payload)
        let crew = try WorkerCrew(options, sessions: options.sessions, run: payload.run, progress: progress) {
            $0.returns = true
            $0.samples = true
        }
        defer { crew.stop() }
        let seconds = try await crew.connect()
        var conductor = CrowdConductor(options: options, crew: crew, publishers: publishers, count: publishing.count)
        await conductor.begin(payload)
        say(CrowdReply(event: "open", open: crew.sessions, processes: crew.workers.count, seconds: seconds))
        while let line = await WorkerProcess.nextLine() {
            do {
                say(try await conductor.perform(line))
            } catch {
                say(CrowdReply(event: "error", message: error.description))
            }
        }
        await publishers.close()

        var result = BenchResult(scenario: "crowd")
        result.add("sessions", Double(crew.sessions))
        result.add("connects_per_second", Double(crew.sessions) / seconds, .perSecond)
        return result
    }

    private static func say(_ reply: CrowdReply) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        guard let line = try? encoder.encode(reply) else { return }
        WorkerProcess.say(String(decoding: line, as: UTF8.self))
    }

    /// Publishes, waits and counts.
    private struct CrowdConductor {
        let options: BenchOptions
        let crew: WorkerCrew
        let publishers: SwarmSession
        /// Publishers, each of which publishes each publication.
        let count: Int
        private var sequence: UInt32 = 0

        init(options: BenchOptions, crew: WorkerCrew, publishers: SwarmSession, count: Int) {
            self.options = options
            self.crew = crew
            self.publishers = publishers
            self.count = count
        }

        mutating func begin(_ payload: SequencedPayload) async {
            sequence = 0
            let (swarm, count) = (publishers.swarm, count)
            await publishers.reactor.perform { swarm.begin(payload, goal: count) }
        }

        mutating func perform(_ line: String) async throws(BenchError) -> CrowdReply {
            let words = line.split(separator: " ")
            switch (words.first, words.count) {
            case ("run", 2):
                guard let run = UInt32(words[1], radix: 16) else {
                    throw BenchError("'\(words[1])' is not a run of up to eight hexadecimal digits")
                }
                try await crew.begin(run: run)
                await begin(SequencedPayload(bytes: options.bytes, kind: options.payload, run: run))
                return CrowdReply(event: "run")
            case ("broadcast", 1): return try await broadcast()
            case ("await", 3):
                guard let sequence = UInt32(words[1]), let seconds = Double(words[2]), seconds > 0 else {
                    throw BenchError("'\(line)': right would be: await SEQUENCE SECONDS")
                }
                return try await arrival(of: sequence, seconds, since: nil)
            case ("counts", 1): return try await counts()
            default:
                throw BenchError(
                    "'\(line)' is not known; there are: run RUN, broadcast, await SEQUENCE SECONDS, counts")
            }
        }

        private mutating func broadcast() async throws(BenchError) -> CrowdReply {
            let (swarm, count, sequence) = (publishers.swarm, count, sequence)
            self.sequence += 1
            let published = await publishers.reactor.perform {
                let now = MonotonicTime.now()
                for member in 0..<count { swarm.publish(sequence, from: member) }
                return now
            }
            return try await arrival(of: sequence, CrowdScenario.broadcastSeconds, since: published)
        }

        private func arrival(
            of sequence: UInt32, _ seconds: Double, since published: MonotonicTime?
        ) async throws(BenchError) -> CrowdReply {
            let last = try await crew.arrival(of: sequence, seconds: seconds, "publication \(sequence + 1)")
            var reply = CrowdReply(event: "arrived")
            reply.sequence = sequence
            reply.publishedNanoseconds = published?.nanoseconds
            reply.lastNanoseconds = last.nanoseconds
            reply.curve = try await crew.curve().map { [$0.time * DeliveryCurve.nanoseconds, $0.deliveries] }
            return reply
        }

        private func counts() async throws(BenchError) -> CrowdReply {
            try await crew.report()
            let counts = crew.counts
            var reply = CrowdReply(event: "counts")
            reply.deliveries = counts.deliveries
            reply.missing = counts.missing
            reply.duplicates = counts.duplicates
            reply.reordered = counts.reordered
            reply.lost = crew.lost
            reply.away = crew.workers.map(\.snapshot.away).reduce(0, +)
            reply.returned = crew.workers.map(\.snapshot.returned).reduce(0, +)
            reply.open = crew.sessions - crew.lost - (reply.away ?? 0)
            return reply
        }
    }
}

/// What a line is answered with; a member is there where it says something.
private struct CrowdReply: Encodable {
    let event: String
    var open: Int?
    var processes: Int?
    var seconds: Double?
    var message: String?
    var sequence: UInt32?
    var publishedNanoseconds: UInt64?
    var lastNanoseconds: UInt64?
    /// Beginnings of hundredths of a second, on the clock of the two above, and the deliveries in them.
    var curve: [[UInt64]]?
    var deliveries: UInt64?
    var missing: UInt64?
    var duplicates: UInt64?
    var reordered: UInt64?
    var lost: Int?
    var away: Int?
    var returned: Int?
}
