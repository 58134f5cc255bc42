import ArgumentParser
import Bench
import Foundation

/// `carillon bench SCENARIO`: our own clients against a server, this one or another.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure a node, or any WebSocket server that broadcasts, with clients by the thousand.",
        discussion: """
            Every delivery is counted, and loss, repetition and disorder are found: they are the first thing to look \
            at. A bench is a flood; targets beyond this machine are refused unless you say that they are yours.

            For the raw dialect the channel needs a rule that lets clients publish:

              channels: [{ match: "bench*", publish: client }]

            Examples:
              carillon bench fanout --url 'ws://127.0.0.1:8000/raw?channel=bench' --sessions 10000 --server-pid 4711
              carillon bench fanout --url 'ws://127.0.0.1:8000/raw?channel=bench' --sessions 10000 --window 64 --json
              carillon bench fanout --url 'wss://127.0.0.1:8000/raw?channel=bench' --payload json --bytes 768 --permessage-deflate
              carillon bench latency --url 'ws://127.0.0.1:8000/raw?channel=bench' --url 'ws://127.0.0.1:8010/raw?channel=bench'
              carillon bench broadcast --sessions 100000 --url … --url … --url … --url … --url … --url …
            """,
        subcommands: [
            Fanout.self, Connect.self, Idle.self, Latency.self, Rate.self, Publish.self, SmallChannel.self,
            Broadcast.self, Redis.self, WorkerCommand.self,
        ])

    struct Common: ParsableArguments {
        @Option(
            name: .long,
            help: """
                Where to connect, ws:// or wss://; several for several servers, sessions are spread over them. \
                Certificates are not checked.
                """)
        var url: [String] = []
        @Option(help: "Sessions to open.")
        var sessions = 10_000
        @Option(help: "Publications outstanding at the same time, 1 to 2048.")
        var window = 1
        @Option(help: "Bytes of a payload, at least 16; of JSON at least 47.")
        var bytes = 128
        @Option(help: "Measured seconds, at most 600.")
        var seconds = 5.0
        @Option(name: .customLong("warm-up"), help: "Seconds before what is measured.")
        var warmUp = 1.0
        @Option(help: "What is spoken inside the WebSocket: raw or nats.")
        var dialect = "raw"
        @Option(help: "The channel, where the URL does not name it.")
        var channel = "bench"
        @Option(help: "What a payload is: text, or json (prices that differ from one to the next).")
        var payload = "text"
        @Flag(
            name: .customLong("permessage-deflate"),
            help: "Offer permessage-deflate (RFC 7692), which the server has to accept. Raw dialect only.")
        var permessageDeflate = false
        @Option(name: .customLong("server-pid"), help: "A process of the server, whose CPU and memory are read.")
        var serverPid: [Int32] = []
        @Option(
            name: .customLong("allocations"),
            help: "A file in which the server's allocations are counted (Benchmarks/floor/allocations.c).")
        var allocations: [String] = []
        @Flag(name: .customLong("i-own-this-target"), help: "Allow targets beyond this machine.")
        var ownsTarget = false
        @Flag(help: "Print one line of JSON.")
        var json = false
        @Flag(help: "No progress on standard error.")
        var quiet = false

        func options() throws -> BenchOptions {
            var options = BenchOptions()
            options.urls = url
            options.sessions = sessions
            options.window = window
            options.bytes = bytes
            options.seconds = seconds
            options.warmUpSeconds = warmUp
            options.channel = channel
            options.processes = serverPid
            options.allocationFiles = allocations
            options.ownsTarget = ownsTarget
            guard options.use(dialect: dialect) else {
                throw ValidationError("'\(dialect)' is not a dialect of the bench; right would be raw or nats")
            }
            guard options.use(payload: payload) else {
                throw ValidationError("'\(payload)' is not a payload of the bench; right would be text or json")
            }
            options.offersCompression = permessageDeflate
            return options
        }

        /// Runs a scenario and prints what came out. Problems make the exit status 1, after the result.
        func measure(
            _ scenario: (BenchOptions, @escaping ProgressHandler) async throws(BenchError) -> BenchResult,
            changing change: (inout BenchOptions) -> Void = { _ in }
        ) async throws {
            var options = try options()
            change(&options)
            let line = ProgressLine(quiet: quiet)
            let result: BenchResult
            do {
                result = try await scenario(options) { line.show($0) }
            } catch {
                line.clear()
                throw error
            }
            line.clear()
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(result), as: UTF8.self))
            } else {
                print(result.text)
            }
            if !result.problems.isEmpty { throw ExitCode.failure }
        }
    }

    struct Fanout: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "One publisher, N subscribers: deliveries a second, CPU per delivery, time to the last.")
        @OptionGroup var common: Common
        func run() async throws { try await common.measure(FanoutScenario.run) }
    }

    struct Connect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "N sessions as fast as they go.")
        @OptionGroup var common: Common
        func run() async throws { try await common.measure(ConnectScenario.run) }
    }

    struct Idle: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Memory of the server per idle session; needs --server-pid.")
        @OptionGroup var common: Common
        func run() async throws { try await common.measure(IdleScenario.run) }
    }

    struct Latency: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "From a session on the first URL to one on the last, one publication at a time.")
        @OptionGroup var common: Common
        func run() async throws { try await common.measure(LatencyScenario.run) }
    }

    struct Rate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "From a session on the first URL to one on the last, with --window outstanding.")
        @OptionGroup var common: Common
        func run() async throws { try await common.measure(LatencyScenario.rate) }
    }

    struct Publish: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Acknowledged publications a second; URLs of the centrifuge dialect.",
            discussion: "Example: carillon bench publish --url ws://127.0.0.1:8000/connection/websocket --window 64")
        @OptionGroup var common: Common
        @Option(help: "Sessions that publish, each with --window unacknowledged.")
        var publishers = 8
        func run() async throws {
            try await common.measure(AcknowledgedScenario.run) { $0.publishers = publishers }
        }
    }

    struct SmallChannel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Latency of a small channel (second URL) while a large one (first URL) fans out.")
        @OptionGroup var common: Common
        func run() async throws { try await common.measure(SmallChannelScenario.run) }
    }

    struct Broadcast: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Sessions beyond one process's files, over several servers: one broadcast to all, time to the last.")
        @OptionGroup var common: Common
        @Option(help: "Broadcasts, one after the other.")
        var publications = 5
        @Flag(name: .customLong("publish-to-each"), help: "Publish to every URL, for servers that nothing joins.")
        var publishesToEach = false
        func run() async throws {
            try await common.measure(BroadcastScenario.run) {
                $0.publications = publications
                $0.publishesToEach = publishesToEach
                // The words before the scenario, whatever this program is called.
                let words = CommandLine.arguments.dropFirst().prefix { $0 != "broadcast" }
                $0.workerArguments = Array(words) + ["worker"]
            }
        }
    }

    struct Redis: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The bare PUBLISH to SUBSCRIBE round trip of a Redis: what a backplane on it costs at least.")
        @OptionGroup var common: Common
        @Option(help: "Where Redis listens: IP:PORT or unix:/PATH.")
        var redis = "127.0.0.1:6379"
        func run() async throws {
            try await common.measure { (options, progress) async throws(BenchError) in
                try await RedisScenario.run(redis: redis, options, progress: progress)
            }
        }
    }

    struct WorkerCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "worker", abstract: "A client process of `broadcast`.", shouldDisplay: false)
        func run() async throws { try await WorkerProcess.run() }
    }
}
