import ArgumentParser
import Bench
import Foundation

/// `carillon bench SCENARIO`: our own clients against a server, this one or another.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Load-test a node, or any broadcasting WebSocket server, with thousands of clients.",
        discussion: """
            Every delivery is counted. Lost, duplicated and reordered deliveries are reported; look at them first. \
            A bench floods its target, so targets on other machines are refused without --i-own-this-target.

            For the raw dialect, the channel needs a rule that lets clients publish:

              channels: [{ match: "bench*", publish: client }]

            A SignalR hub needs two methods, too:

              hubs: [{ path: /hub, methods: { join: JoinGroup, send_to_group: SendToGroup } }]

            Examples:
              carillon bench fanout --url 'ws://127.0.0.1:8000/raw?channel=bench' --sessions 10000 --server-pid 4711
              carillon bench fanout --url 'ws://127.0.0.1:8000/raw?channel=bench' --sessions 10000 --window 64 --json
              carillon bench fanout --url 'wss://127.0.0.1:8000/raw?channel=bench' --payload json --bytes 768 --permessage-deflate
              carillon bench fanout --url 'ws://127.0.0.1:8000/connection/websocket?format=protobuf' --dialect centrifuge-protobuf
              carillon bench fanout --url 'ws://127.0.0.1:8000/hub' --dialect signalr-messagepack
              carillon bench latency --url 'ws://127.0.0.1:8000/raw?channel=bench' --url 'ws://127.0.0.1:8010/raw?channel=bench'
              carillon bench broadcast --sessions 100000 --url … --url … --url … --url … --url … --url …
            """,
        subcommands: [
            Fanout.self, Connect.self, Hold.self, Idle.self, Latency.self, Rate.self, Publish.self, SmallChannel.self,
            Broadcast.self, Crowd.self, Camera.self, Redis.self, WorkerCommand.self,
        ])

    struct Common: ParsableArguments {
        @Option(
            name: .long,
            help: """
                URL to connect to, ws:// or wss://. May be repeated: the sessions are spread over all URLs. \
                Certificates are not verified.
                """)
        var url: [String] = []
        @Option(help: "Number of sessions to open.")
        var sessions = 10_000
        @Option(help: "Number of publications in flight at the same time, 1 to 2048.")
        var window = 1
        @Option(help: "Size of a payload in bytes, at least 16 (47 with --payload json).")
        var bytes = 128
        @Option(help: "Duration of the measurement in seconds, at most 600.")
        var seconds = 5.0
        @Option(name: .customLong("warm-up"), help: "Duration of the warm-up before the measurement, in seconds.")
        var warmUp = 1.0
        @Option(help: "Protocol inside the WebSocket: \(BenchOptions.dialects).")
        var dialect = "raw"
        @Option(help: "Channel, if the URL does not name it.")
        var channel = "bench"
        @Option(help: "Kind of payload: text, or json (price quotes that change from one to the next).")
        var payload = "text"
        @Flag(
            name: .customLong("permessage-deflate"),
            help: "Offer permessage-deflate (RFC 7692). The server must accept it. Raw dialect only.")
        var permessageDeflate = false
        @Option(
            name: .customLong("server-pid"),
            help: "PID of a server process whose CPU and memory use is measured. May be repeated.")
        var serverPid: [Int32] = []
        @Option(
            name: .customLong("allocations"),
            help: "File in which the server counts its allocations (Benchmarks/floor/allocations.c). May be repeated.")
        var allocations: [String] = []
        @Flag(name: .customLong("i-own-this-target"), help: "Allow targets on other machines.")
        var ownsTarget = false
        @Flag(help: "Print one line of JSON.")
        var json = false
        @Flag(help: "Do not show progress on standard error.")
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
                throw ValidationError(
                    "'\(dialect)' is not a dialect of the bench; right would be \(BenchOptions.dialects)")
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
            abstract:
                "One publisher, N subscribers: deliveries per second, CPU per delivery, time to the last delivery.")
        @OptionGroup var common: Common
        func run() async throws { try await common.measure(FanoutScenario.run) }
    }

    struct Connect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Open N sessions as fast as possible.")
        @OptionGroup var common: Common
        func run() async throws { try await common.measure(ConnectScenario.run) }
    }

    struct Hold: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Open N sessions and keep them, until standard input ends.",
            discussion: """
                A line on standard output says when all are open.

                Example: carillon bench hold --url 'ws://127.0.0.1:8000/raw?channel=room-{}' --sessions 10000 --channels 5000
                """)
        @OptionGroup var common: Common
        @Option(
            help: "Number of channels that the sessions take in turn, from 0; {} in the URL is replaced by the number.")
        var channels = 0
        @Option(name: .customLong("first"), help: "Number with which the first session begins.")
        var first = 0
        func run() async throws {
            try await common.measure(HoldScenario.run) {
                $0.channels = channels
                $0.firstChannel = first
            }
        }
    }

    struct Idle: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Server memory per idle session. Requires --server-pid.")
        @OptionGroup var common: Common
        func run() async throws { try await common.measure(IdleScenario.run) }
    }

    struct Latency: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Latency from a session on the first URL to one on the last, one publication at a time.")
        @OptionGroup var common: Common
        func run() async throws { try await common.measure(LatencyScenario.run) }
    }

    struct Rate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Publications per second from a session on the first URL to one on the last, with --window in flight.")
        @OptionGroup var common: Common
        func run() async throws { try await common.measure(LatencyScenario.rate) }
    }

    struct Publish: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Acknowledged publications per second. The URLs must be of the centrifuge dialect.",
            discussion: "Example: carillon bench publish --url ws://127.0.0.1:8000/connection/websocket --window 64")
        @OptionGroup var common: Common
        @Option(help: "Number of publishing sessions, each with --window unacknowledged publications.")
        var publishers = 8
        @Option(help: "Number of channels that the publishing sessions are spread over.")
        var publishChannels = 1
        func run() async throws {
            try await common.measure(AcknowledgedScenario.run) {
                $0.publishers = publishers
                $0.publishedChannels = publishChannels
            }
        }
    }

    struct SmallChannel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Latency in a small channel (second URL) during fan-out in a large one (first URL).")
        @OptionGroup var common: Common
        func run() async throws { try await common.measure(SmallChannelScenario.run) }
    }

    struct Broadcast: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "One broadcast to sessions on several servers, from several client processes: time to the last delivery."
        )
        @OptionGroup var common: Common
        @Option(help: "Number of broadcasts, one after the other.")
        var publications = 5
        @Flag(
            name: .customLong("publish-to-each"),
            help: "Publish to every URL, for servers that are not connected to each other.")
        var publishesToEach = false
        func run() async throws {
            try await common.measure(BroadcastScenario.run) {
                $0.publications = publications
                $0.publishesToEach = publishesToEach
                $0.workerArguments = BenchCommand.workerArguments(of: "broadcast")
            }
        }
    }

    struct Crowd: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sessions on several servers, in several client processes, that do what standard input says.",
            discussion: """
                A line of JSON on standard output says when all sessions are open, and answers each line of the input. The end \
                of the input closes the sessions. Sessions that a server sends away (1001) connect to another server.

                  run RUN                  count publications of a run: 8 hexadecimal digits, with which payloads begin
                  broadcast                publish the next one and wait until it is everywhere
                  await SEQUENCE SECONDS   wait until a publication by somebody else is everywhere
                  counts                   what came, what did not, who is there

                Example: carillon bench crowd --sessions 100000 --url … --url … --url … --url … --url … --url …
                """)
        @OptionGroup var common: Common
        @Flag(
            name: .customLong("publish-to-each"),
            help: "Publish to every URL, for servers that are not connected to each other.")
        var publishesToEach = false
        func run() async throws {
            try await common.measure(CrowdScenario.run) {
                $0.publishesToEach = publishesToEach
                $0.workerArguments = BenchCommand.workerArguments(of: "crowd")
            }
        }
    }

    /// What starts a client process: the words before the scenario, whatever this program is called, and `worker`.
    fileprivate static func workerArguments(of scenario: String) -> [String] {
        Array(CommandLine.arguments.dropFirst().prefix { $0 != scenario }) + ["worker"]
    }

    struct Camera: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "One publisher at a fixed rate, N viewers spread over all URLs: the delay of every delivery.",
            discussion: """
                Deliveries that a rule with slow: latest leaves out are counted, and are no problem.

                Example: carillon bench camera --url 'ws://127.0.0.1:8000/raw?channel=camera:a' --sessions 100 --bytes 20000
                """)
        @OptionGroup var common: Common
        @Option(help: "Publications per second, 0.1 to 1000.")
        var rate = 30.0
        func run() async throws { try await common.measure(CameraScenario.run) { $0.rate = rate } }
    }

    struct Redis: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "PUBLISH to SUBSCRIBE round trip of Redis alone: the lower bound for a backplane on it.")
        @OptionGroup var common: Common
        @Option(help: "Address of Redis: IP:PORT or unix:/PATH.")
        var redis = "127.0.0.1:6379"
        func run() async throws {
            try await common.measure { (options, progress) async throws(BenchError) in
                try await RedisScenario.run(redis: redis, options, progress: progress)
            }
        }
    }

    struct WorkerCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "worker", abstract: "Client process of `broadcast` and `crowd`.", shouldDisplay: false)
        func run() async throws { try await WorkerProcess.run() }
    }
}
