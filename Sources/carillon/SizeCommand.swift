import ArgumentParser
import Codec
import Foundation
import Sizing

/// `carillon size`: what a workload needs. It asks nobody: the figures are those of `Costs.measured`.
struct SizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "size",
        abstract: "Compute how many nodes and Redis servers a workload needs, and which limit comes first.",
        discussion: """
            Without --sessions, it computes how many sessions --nodes bear. The constants were measured on the machine that
            docs/sizing.md names: give --core-speed if your cores are faster or slower.

            EXAMPLES
              carillon size --cores 1 --memory 1.7GiB                      how many idle sessions a small instance holds
              carillon size --cores 2 --memory 4GiB --rate 1 --payload 128 the same, with one message a second to all
              carillon size --sessions 1000000 --rate 10 --payload 256 --tls
              carillon size --sessions 200000 --channels 50000 --rate 20000 --payload 300 --history 100 --json
            """)

    @Option(help: "Number of sessions. Without it, the most sessions that --nodes bear are computed.")
    var sessions: Int?
    @Option(help: "Number of nodes, without --sessions. Default: 1.")
    var nodes: Int?
    @Option(help: "Number of channels.")
    var channels = 1
    @Option(help: "Channels that each session is subscribed to.")
    var subscriptions = 1
    @Option(help: "Publications per second, in all channels together. Requires --payload.")
    var rate = 0.0
    @Option(help: "Size of a publication in bytes.")
    var payload = 0
    @Option(help: "Publications that each channel keeps (history.size).")
    var history = 0
    @Flag(help: "The nodes serve TLS.")
    var tls = false
    @Flag(help: "Clients use permessage-deflate.")
    var compression = false
    @Option(help: "Sessions that open per second. Default: a session lasts for 30 minutes.")
    var connects: Double?
    @Option(name: .customLong("ping-interval"), help: "Interval between pings (liveness.ping_interval), like 25s.")
    var pingInterval = "25s"
    @Option(help: "How long a publication may take to its last subscriber, like 1s or 100ms.")
    var delay = "1s"

    @Option(help: "Cores of a node's machine.")
    var cores = 2.0
    @Option(help: "Memory of a node's machine, like 1.7GiB or 512MiB.")
    var memory = "4GiB"
    @Option(name: .customLong("system-memory"), help: "Memory that the system and other programs take.")
    var systemMemory = "256MiB"
    @Flag(
        help:
            "The memory is the limit of a container, which is charged only a part of what the kernel keeps for connections."
    )
    var container = false
    @Option(help: "Files that a node may open (ulimit -Hn).")
    var files = 1_048_576
    @Option(help: "Network of a node in one direction, like 1Gbit or 500Mbit.")
    var network = "1Gbit"
    @Option(
        name: .customLong("core-speed"),
        help: "Speed of a core, compared to the one that the constants were measured on.")
    var coreSpeed = 1.0
    @Option(help: "Per cent of cores and network that may be used. The rest is for peaks.")
    var use = 70.0
    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        if sessions != nil, nodes != nil {
            throw ValidationError("--sessions and --nodes exclude each other: with --sessions, the nodes are computed")
        }
    }

    func run() throws {
        do {
            let sizing = Sizing(shape: try shape())
            let size =
                if sessions != nil { try sizing.cluster(for: try workload()) } else {
                    try sizing.largest(try workload(), nodes: nodes ?? 1)
                }
            if json { return print(try Self.json(size)) }
            print(SizeReport(size).text)
        } catch let error as SizingError {
            throw ValidationError(error.description)
        }
    }

    private func workload() throws(SizingError) -> Workload {
        var workload = Workload(sessions: sessions ?? 1)
        workload.channels = channels
        workload.subscriptions = subscriptions
        workload.rate = rate
        workload.payload = payload
        workload.history = history
        workload.isEncrypted = tls
        workload.isCompressed = compression
        workload.connects = connects
        workload.pingInterval = try Quantity.seconds(pingInterval, "--ping-interval")
        workload.delay = try Quantity.seconds(delay, "--delay")
        return workload
    }

    private func shape() throws(SizingError) -> NodeShape {
        var shape = NodeShape()
        shape.cores = cores
        shape.memory = try Quantity.bytes(memory, "--memory")
        shape.system = try Quantity.bytes(systemMemory, "--system-memory")
        shape.files = files
        shape.network = try Quantity.bits(network, "--network")
        shape.speed = coreSpeed
        shape.share = use / 100
        shape.isContainer = container
        return shape
    }

    private struct Answer: Encodable {
        struct Use: Encodable {
            let limit: Limit
            let used: Double
            let available: Double
            let share: Double
        }

        let sessions: Int
        let nodes: Int
        let sessionsPerNode: Int
        let redisServers: Int
        let redisMemory: Double
        let deliveriesPerSecond: Double
        let sendsPerSecond: Double
        let uses: [Use]
        let firstLimit: Limit
    }

    private static func json(_ size: ClusterSize) throws -> String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys]
        let answer = Answer(
            sessions: size.workload.sessions, nodes: size.nodes, sessionsPerNode: size.sessionsPerNode,
            redisServers: size.redisServers, redisMemory: size.redisMemory,
            deliveriesPerSecond: size.deliveriesPerSecond,
            sendsPerSecond: size.sendsPerSecond,
            uses: size.uses.map {
                Answer.Use(limit: $0.limit, used: $0.used, available: $0.available, share: $0.share)
            },
            firstLimit: size.first.limit)
        return String(decoding: try encoder.encode(answer), as: UTF8.self)
    }
}
