import ArgumentParser
import Codec
import Foundation
import Node

struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "List the nodes of the cluster and their state.",
        discussion: """
            EXAMPLES
              carillon cluster
              carillon cluster --json
              carillon cluster --admin http://10.0.0.2:8001 --token "$TOKEN"
            """)

    @OptionGroup var options: AdminOptions

    func run() async throws {
        if options.json { return try await options.printJSON("/api/v1/cluster") }
        let report = try await options.ask("/api/v1/cluster", as: ClusterReport.self)
        var table = Table([
            ("NODE", .flexible), ("LINK", .flexible), ("SESSIONS", .right), ("CHANNELS", .right), ("OUT/S", .right),
            ("CPU", .right), ("MEMORY", .right), ("BACKLOG", .right), ("UP", .right), ("ID", .left),
        ])
        for node in report.cluster {
            let id = node.id + (node.isSelf ? " *" : "")
            guard let summary = node.summary else {
                table.add(node.name, "starting", "", "", "", "", "", "", "", id)
                continue
            }
            let up = max(0, Int(Date().timeIntervalSince1970) - summary.startedAt.int / 1000)
            table.add(
                node.name,
                node.isFresh
                    ? (summary.draining ?? summary.link.phase).text : "not heard for \(node.lastSeenMs.int / 1000) s",
                "\(summary.sessions)", "\(summary.channels)", Display.rate(summary.rates.deliveries.value),
                String(format: "%.0f%%", summary.cpuPercent.value), Display.bytes(summary.memoryBytes.int),
                Display.bytes(summary.backlogBytes.int), Display.age(up), id)
        }
        print(table.text)
        print(
            "\n\(report.nodes.answered) of \(things(report.nodes.asked, "node")) heard, \(things(report.sessions, "session")); OUT/S is deliveries per second; * is the node that was asked"
        )
        for line in Self.away(report) + Self.changes(report) { print(Table.visible(line)) }
        if let differing = Self.differing(report) {
            print("\n\(Table.visible(differing)):")
            let found = try? await options.ask("/api/v1/config/differences", as: DifferenceReport.self)
            for line in Self.lines(found) { print("  \(Table.visible(line))") }
        }
        let troubles = report.events.filter { $0.level != "info" }.suffix(5)
        for event in troubles {
            let time = Date(timeIntervalSince1970: Double(event.time.value) / 1000)
            print("\(time.formatted(.iso8601)) \(event.level): \(event.message)")
        }
    }
}

extension ClusterCommand {
    /// Which of several Redis servers a node is not linked through, since when and why.
    private static func away(_ report: ClusterReport) -> [String] {
        report.cluster.flatMap { node in
            (node.summary?.link.away ?? []).map { server in
                let since = Date(timeIntervalSince1970: Double(server.since.value) / 1000).formatted(.iso8601)
                let reason = server.reason.map { ": \($0)" } ?? ""
                return
                    "node \(node.name): not linked through Redis \(server.name) (\(server.partitions) of 128 partitions) since \(since)\(reason)"
            }
        }
    }

    /// How far a change of the Redis servers has come, each text once: it is the same on most nodes.
    private static func changes(_ report: ClusterReport) -> [String] {
        report.cluster.filter(\.isFresh).compactMap { $0.summary?.link.change?.text }
            .reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    private static func differing(_ report: ClusterReport) -> String? {
        ConfigurationComparison.sentence(
            report.cluster.filter(\.isFresh).compactMap { node in
                node.summary?.configuration.map { (name: node.name, digest: $0) }
            })
    }

    /// `limits.publish_rate: 1000 (one, three); 5 (two)`
    private static func lines(_ report: DifferenceReport?) -> [String] {
        guard let report else { return ["this node cannot say where: it is of an earlier version"] }
        // A reload in the meantime.
        guard !report.keys.isEmpty else { return ["nothing differs any more"] }
        return report.keys.map { difference in
            let values = difference.values.map { "\(Self.cut($0.value)) (\($0.nodes.joined(separator: ", ")))" }
            return "\(difference.key): \(values.joined(separator: "; "))"
        }
    }

    /// Rules of channels are long, and begin alike.
    private static func cut(_ value: String) -> String {
        let most = 120
        return value.count > most ? "\(value.prefix(most))…" : value
    }
}

struct ChannelsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "channels",
        abstract: "List the channels that have subscribers in the cluster, or show one channel.",
        discussion: """
            EXAMPLES
              carillon channels
              carillon channels --prefix chat:
              carillon channels --sort rate --limit 10          the channels with the most publications
              carillon channels chat:42
            """)

    @OptionGroup var options: AdminOptions

    @Argument(help: "Name of one channel: show its subscribers by node.")
    var name: String?

    @Option(help: "List only channels whose name begins with this.")
    var prefix = ""

    @Option(help: "Sort order: name, subscribers (most first) or rate (most publications per second first).")
    var sort = "name"

    @Option(help: "Maximum number of rows (1 to 1000).")
    var limit = 100

    @Option(help: "Continue after the previous page: the cursor that it printed.")
    var cursor: String?

    func run() async throws {
        if let name { return try await one(name) }
        var path =
            "/api/v1/channels?limit=\(limit)&sort=\(percentEncoded(sort))&prefix=\(percentEncoded(prefix))"
        if let cursor { path += "&cursor=\(percentEncoded(cursor))" }
        if options.json { return try await options.printJSON(path) }
        let page = try await options.ask(path, as: ChannelPage.self)
        var table = Table([("CHANNEL", .flexible), ("SUBSCRIBERS", .right), ("NODES", .right), ("IN/S", .right)])
        for channel in page.channels {
            table.add(
                channel.name, "\(channel.subscribers)", "\(channel.onNodes)",
                channel.publicationsPerS.map { Display.rate($0.value) } ?? "–")
        }
        print(table.text)
        print(
            "\n\(page.nodes.answered) of \(things(page.nodes.asked, "node")) answered; IN/S is publications per second")
        if let cursor = page.cursor { print("more: --cursor \(cursor)") }
    }

    func validate() throws {
        if name != nil, !prefix.isEmpty || cursor != nil || sort != "name" {
            throw ValidationError("a channel excludes --prefix, --sort and --cursor, which are for lists of channels")
        }
    }

    private func one(_ name: String) async throws {
        let path = "/api/v1/channels/\(percentEncoded(name))"
        if options.json { return try await options.printJSON(path) }
        let report = try await options.ask(path, as: ChannelReport.self)
        let names = try await options.nodeNames()
        var table = Table([
            ("NODE", .flexible), ("SUBSCRIBERS", .right), ("DIALECTS", .flexible), ("ID", .left),
        ])
        for share in report.byNode {
            let dialects = (share.dialects ?? []).map { "\($0.name) \($0.subscribers)" }.joined(separator: ", ")
            table.add(names[share.node] ?? "", "\(share.subscribers)", dialects, share.node)
        }
        print(table.text)
        print(
            "\n\(things(report.subscribers, "subscriber")); \(report.nodes.answered) of \(things(report.nodes.asked, "node")) answered"
        )
    }
}

struct ConnectionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connections",
        abstract: "List the connections of the cluster.",
        discussion: """
            EXAMPLES
              carillon connections --channel chat:42
              carillon connections --user ann
              carillon connections --address 10.1.0.0/16 --dialect sse
              carillon connections --sort backlog --limit 10    the slowest consumers
            """)

    @OptionGroup var options: AdminOptions

    @Option(help: "List only subscribers of this channel.")
    var channel: String?

    @Option(help: "List only connections of this user.")
    var user: String?

    @Option(help: "List only connections of this node, by its id (see 'carillon cluster').")
    var node: String?

    @Option(help: "List only connections from this address or range of addresses, for example 10.1.0.0/16.")
    var address: String?

    @Option(
        help:
            "List only connections that speak this dialect: \(Dialect.allCases.map(\.name).joined(separator: ", ")).")
    var dialect: String?

    @Option(
        help:
            "Sort order: id, backlog (most queued outbound bytes first), age (oldest first) or dropped (most missed publications first)."
    )
    var sort = "id"

    @Option(help: "Maximum number of rows (1 to 1000).")
    var limit = 50

    @Option(help: "Continue after the previous page: the cursor that it printed.")
    var cursor: String?

    func run() async throws {
        var path = "/api/v1/connections?limit=\(limit)&sort=\(percentEncoded(sort))"
        if let channel { path += "&channel=\(percentEncoded(channel))" }
        if let user { path += "&user=\(percentEncoded(user))" }
        if let node { path += "&node=\(percentEncoded(node))" }
        if let address { path += "&address=\(percentEncoded(address))" }
        if let dialect { path += "&dialect=\(percentEncoded(dialect))" }
        if let cursor { path += "&cursor=\(percentEncoded(cursor))" }
        if options.json { return try await options.printJSON(path) }
        let page = try await options.ask(path, as: ConnectionPage.self)
        // An id takes two thirds of a line, so each connection has two.
        let names = try await options.nodeNames()
        var owners = Table([("CONNECTION", .left), ("NODE", .flexible)])
        var details = Table([
            ("DIALECT", .left), ("USER", .flexible), ("AGE", .right), ("BACKLOG", .right), ("DROPPED", .right),
            ("CHANNELS", .flexible),
        ])
        for connection in page.connections {
            let more = connection.moreChannels > 0 ? " +\(connection.moreChannels)" : ""
            owners.add(connection.id, names[connection.node] ?? connection.node)
            details.add(
                connection.dialect.text, connection.user ?? "", Display.age(connection.ageSeconds.int),
                Display.bytes(connection.backlogBytes.int), connection.droppedPublications.map { "\($0)" } ?? "–",
                connection.channels.joined(separator: " ") + more)
        }
        let indent = "    "
        for (owner, detail) in zip(owners.lines(), details.lines(width: Table.width - indent.count)) {
            print(owner + "\n" + indent + detail)
        }
        print("\n\(page.nodes.answered) of \(things(page.nodes.asked, "node")) answered")
        if let cursor = page.cursor { print("more: --cursor \(cursor)") }
    }
}

extension AdminOptions {
    /// What the nodes are called, by id.
    func nodeNames() async throws -> [String: String] {
        let report = try await ask("/api/v1/cluster", as: ClusterReport.self)
        return Dictionary(report.cluster.map { ($0.id, $0.name) }) { first, _ in first }
    }
}
