import ArgumentParser
import Foundation
import Node

struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "The nodes of the cluster, from any of them.",
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
            ("NODE", .left), ("LINK", .left), ("SESSIONS", .right), ("CHANNELS", .right), ("DELIVERIES/S", .right),
            ("CPU", .right), ("MEMORY", .right), ("BACKLOG", .right), ("UP", .right),
        ])
        for node in report.cluster {
            let name = node.name + (node.isSelf ? " *" : "")
            guard let summary = node.summary else {
                table.add(name, "starting", "", "", "", "", "", "", "")
                continue
            }
            let up = max(0, Int(Date().timeIntervalSince1970) - Int(summary.startedAt / 1000))
            table.add(
                name,
                node.isFresh ? summary.draining ?? summary.link.phase : "not heard for \(node.lastSeenMs / 1000) s",
                "\(summary.sessions)", "\(summary.channels)", Shown.rate(summary.rates.deliveries),
                String(format: "%.0f%%", summary.cpuPercent), Shown.bytes(summary.memoryBytes),
                Shown.bytes(summary.backlogBytes), Shown.seconds(up))
        }
        print(table.text)
        print(
            "\n\(report.nodes.answered) of \(report.nodes.asked) nodes heard, \(report.sessions) sessions; * answered")
        let troubles = report.events.filter { $0.level != "info" }.suffix(5)
        for event in troubles {
            let time = Date(timeIntervalSince1970: Double(event.time) / 1000)
            print("\(time.formatted(.iso8601)) \(event.level): \(event.message)")
        }
    }
}

struct ChannelsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "channels",
        abstract: "The channels with subscribers, over the whole cluster; or one of them.",
        discussion: """
            EXAMPLES
              carillon channels
              carillon channels --prefix chat:
              carillon channels chat:42
            """)

    @OptionGroup var options: AdminOptions

    @Argument(help: "One channel, node by node.")
    var name: String?

    @Option(help: "Only names that begin like this.")
    var prefix = ""

    @Option(help: "How many (1 to 1000).")
    var limit = 100

    @Option(help: "Where the page before ended.")
    var cursor: String?

    func run() async throws {
        if let name { return try await one(name) }
        var path = "/api/v1/channels?limit=\(limit)&prefix=\(percentEncoded(prefix))"
        if let cursor { path += "&cursor=\(percentEncoded(cursor))" }
        if options.json { return try await options.printJSON(path) }
        let page = try await options.ask(path, as: ChannelPage.self)
        var table = Table([("CHANNEL", .left), ("SUBSCRIBERS", .right), ("NODES", .right)])
        for channel in page.channels { table.add(channel.name, "\(channel.subscribers)", "\(channel.onNodes)") }
        print(table.text)
        print("\n\(page.nodes.answered) of \(page.nodes.asked) nodes answered")
        if let cursor = page.cursor { print("more: --cursor \(cursor)") }
    }

    private func one(_ name: String) async throws {
        let path = "/api/v1/channels/\(percentEncoded(name))"
        if options.json { return try await options.printJSON(path) }
        let report = try await options.ask(path, as: ChannelReport.self)
        var table = Table([("NODE", .left), ("SUBSCRIBERS", .right)])
        for share in report.byNode { table.add(share.node, "\(share.subscribers)") }
        print(table.text)
        print("\n\(report.subscribers) subscribers; \(report.nodes.answered) of \(report.nodes.asked) nodes answered")
    }
}

struct ConnectionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connections",
        abstract: "The connections of the cluster.",
        discussion: """
            EXAMPLES
              carillon connections --channel chat:42
              carillon connections --user ann
              carillon connections --sort backlog --limit 10    who does not keep up?
            """)

    @OptionGroup var options: AdminOptions

    @Option(help: "Only subscribers of this channel.")
    var channel: String?

    @Option(help: "Only those of this user.")
    var user: String?

    @Option(help: "Only those of this node (its id).")
    var node: String?

    @Option(help: "id, or backlog for those with the most bytes waiting first.")
    var sort = "id"

    @Option(help: "How many (1 to 1000).")
    var limit = 50

    @Option(help: "Where the page before ended.")
    var cursor: String?

    func run() async throws {
        var path = "/api/v1/connections?limit=\(limit)&sort=\(percentEncoded(sort))"
        if let channel { path += "&channel=\(percentEncoded(channel))" }
        if let user { path += "&user=\(percentEncoded(user))" }
        if let node { path += "&node=\(percentEncoded(node))" }
        if let cursor { path += "&cursor=\(percentEncoded(cursor))" }
        if options.json { return try await options.printJSON(path) }
        let page = try await options.ask(path, as: ConnectionPage.self)
        var table = Table([
            ("CONNECTION", .left), ("DIALECT", .left), ("USER", .left), ("AGE", .right), ("BACKLOG", .right),
            ("DROPPED", .right), ("CHANNELS", .left),
        ])
        for connection in page.connections {
            let more = connection.moreChannels > 0 ? " +\(connection.moreChannels)" : ""
            table.add(
                connection.id, connection.dialect, connection.user ?? "", Shown.seconds(connection.ageSeconds),
                Shown.bytes(connection.backlogBytes), connection.droppedPublications.map { "\($0)" } ?? "–",
                connection.channels.joined(separator: " ") + more)
        }
        print(table.text)
        print("\n\(page.nodes.answered) of \(page.nodes.asked) nodes answered")
        if let cursor = page.cursor { print("more: --cursor \(cursor)") }
    }
}
