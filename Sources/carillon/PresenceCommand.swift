import ArgumentParser
import Foundation
import Node

struct PresenceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "presence",
        abstract: "Who is subscribed to a channel, over the whole cluster.",
        discussion: """
            The channel's rule has to have 'presence'.

            EXAMPLES
              carillon presence chat:42
              carillon presence chat:42 --users      each user once
              carillon presence chat:42 --count      how many, and nothing else
            """)

    @OptionGroup var options: AdminOptions

    @Argument(help: "The channel.")
    var channel: String

    @Flag(help: "Each user once; sessions without a user by themselves.")
    var users = false

    @Flag(help: "Only how many there are.")
    var count = false

    @Option(help: "How many (1 to 1000).")
    var limit = 100

    @Option(help: "Where the page before ended.")
    var cursor: String?

    func validate() throws {
        if users, count { throw ValidationError("--users and --count are two different things") }
    }

    func run() async throws {
        let view = count ? "count" : users ? "users" : "clients"
        var path = "/api/v1/channels/\(percentEncoded(channel))/presence?view=\(view)&limit=\(limit)"
        if let cursor { path += "&cursor=\(percentEncoded(cursor))" }
        if options.json { return try await options.printJSON(path) }
        let report = try await options.ask(path, as: PresenceReport.self)
        if let members = report.members {
            var table = Table([("USER", .left), ("CONNECTION", .left), ("INFO", .left)])
            for member in members { table.add(member.user ?? "", member.client ?? "", member.info ?? "") }
            print(table.text + "\n")
        }
        print("\(report.users) users, \(report.clients) connections")
        if let cursor = report.cursor { print("more: --cursor \(cursor)") }
    }
}
