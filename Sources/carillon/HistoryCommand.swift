import ArgumentParser
import Codec
import Foundation
import Node

struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Print the history of a channel.",
        discussion: """
            The channel's rule must have 'history'. Binary payloads are shown as "base64:" and their base64 encoding. Long
            payloads are cut to the width of the table; --json prints them in full.

            EXAMPLES
              carillon history chat:42
              carillon history chat:42 --reverse --limit 10          the newest 10 publications
              carillon history chat:42 --since 4f3c2b1a09876543:17   what was published after this position
            """)

    @OptionGroup var options: AdminOptions

    @Argument(help: "Name of the channel.")
    var channel: String

    @Option(help: "Only publications after this position (with --reverse: before it).")
    var since: String?

    @Option(help: "Maximum number of publications (1 to 1000).")
    var limit = 100

    @Flag(help: "Newest publications first.")
    var reverse = false

    private struct Page: Decodable {
        struct Entry: Decodable {
            var position: String
            var kind: String
            var text: String?
            var base64: String?
        }

        var top: String
        var continuous: Bool
        var next: String?
        var publications: [Entry]
    }

    func run() async throws {
        var path = "/api/v1/channels/\(percentEncoded(channel))/history?limit=\(limit)&reverse=\(reverse)"
        if let since { path += "&since=\(percentEncoded(since))" }
        if options.json { return try await options.printJSON(path) }
        let page = try await options.ask(path, as: Page.self)
        var table = Table([("POSITION", .left), ("KIND", .left), ("PAYLOAD", .flexible)])
        for entry in page.publications {
            let payload = entry.text ?? "base64:" + (entry.base64 ?? "")
            table.add(entry.position, entry.kind, payload.replacing("\n", with: "\\n"))
        }
        print(table.text)
        print("\n\(things(page.publications.count, "publication")); the newest position is \(page.top)")
        if !page.continuous {
            print("some publications between --since and the first one are no longer in the history")
        }
        if let next = page.next { print("more: --since \(next)") }
    }
}
