import ArgumentParser
import Codec
import Foundation
import Node

struct PresenceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "presence",
        abstract: "List who is subscribed to a channel in the whole cluster.",
        discussion: """
            The channel's rule must have 'presence'.

            EXAMPLES
              carillon presence chat:42
              carillon presence chat:42 --users      list each user once
              carillon presence chat:42 --count      print only the numbers
            """)

    @OptionGroup var options: AdminOptions

    @Argument(help: "Name of the channel.")
    var channel: String

    @Flag(help: "List each user once. Sessions without a user are listed separately.")
    var users = false

    @Flag(help: "Print only the number of users and connections.")
    var count = false

    @Option(help: "Maximum number of rows (1 to 1000).")
    var limit = 100

    @Option(help: "Continue after the previous page: the cursor that it printed.")
    var cursor: String?

    func validate() throws {
        if users, count { throw ValidationError("--users and --count exclude each other") }
        if count, cursor != nil { throw ValidationError("--count has no pages: it excludes --cursor") }
    }

    func run() async throws {
        let view = count ? "count" : users ? "users" : "clients"
        var path = "/api/v1/channels/\(percentEncoded(channel))/presence?view=\(view)&limit=\(limit)"
        if let cursor { path += "&cursor=\(percentEncoded(cursor))" }
        if options.json { return try await options.printJSON(path) }
        let report = try await options.ask(path, as: PresenceReport.self)
        if let members = report.members {
            var table = Table([("USER", .flexible), ("CONNECTION", .left), ("INFO", .flexible)])
            for member in members { table.add(member.user ?? "", member.client ?? "", member.info ?? "") }
            print(table.text + "\n")
        }
        print("\(things(report.users, "user")), \(things(report.clients, "connection"))")
        if let cursor = report.cursor { print("more: --cursor \(cursor)") }
    }
}
