import ArgumentParser
import Codec
import Foundation
import Node

struct WebhooksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "webhooks",
        abstract: "Show the webhooks, and list, resend or purge their dead letters.",
        discussion: """
            Events that a webhook did not take within its retry_for are kept as dead letters. The id of a webhook is in the
            first column of 'carillon webhooks list'.

            EXAMPLES
              carillon webhooks list                   how each webhook is doing
              carillon webhooks letters 3f2a9c01b4de   the dead letters of a webhook
              carillon webhooks resend 3f2a9c01b4de    send all of them again
              carillon webhooks purge 3f2a9c01b4de     delete all of them
            """,
        subcommands: [List.self, Letters.self, Resend.self, Purge.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show how each webhook is doing.")

        @OptionGroup var options: AdminOptions

        private struct Report: Decodable {
            struct Entry: Decodable {
                var id: String
                var url: String
                var waiting: Int
                var oldestAge: UInt64?
                var deadLetters: Int
                var failingSince: UInt64?
                var failure: String?
            }

            var webhooks: [Entry]
        }

        func run() async throws {
            let path = "/api/v1/webhooks"
            if options.json { return try await options.printJSON(path) }
            let report = try await options.ask(path, as: Report.self)
            guard !report.webhooks.isEmpty else { return print("no webhooks are configured") }
            var table = Table([
                ("ID", .left), ("URL", .left), ("WAITING", .right), ("OLDEST", .right), ("DEAD", .right),
                ("STATE", .flexible),
            ])
            for entry in report.webhooks {
                let oldest = entry.oldestAge.map { "\($0 / 1000) s" } ?? "-"
                let state = entry.failingSince.map { since in
                    let date = Date(timeIntervalSince1970: Double(since) / 1000)
                    return "failing since \(date.formatted(.iso8601)): \(entry.failure ?? "")"
                }
                table.add(
                    entry.id, entry.url, "\(entry.waiting)", oldest, "\(entry.deadLetters)", state ?? "ok")
            }
            print(table.text)
        }
    }

    struct Letters: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the dead letters of a webhook, oldest first, one JSON object in a line.")

        @OptionGroup var options: AdminOptions

        @Argument(help: "Id of the webhook.")
        var id: String

        @Option(help: "Maximum number of dead letters (1 to 1000).")
        var limit = 100

        @Option(help: "Continue after the previous page: the cursor that it printed.")
        var cursor: String?

        func run() async throws {
            var path = "/api/v1/webhooks/\(percentEncoded(id))/letters?limit=\(limit)"
            if let cursor { path += "&cursor=\(percentEncoded(cursor))" }
            if options.json { return try await options.printJSON(path) }
            let data = try await options.ask(path)
            guard let report = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
                let letters = report["letters"] as? [[String: Any]]
            else { throw Failure("the node's answer is not understood: is it another version?") }
            for letter in letters {
                let line = try JSONSerialization.data(
                    withJSONObject: letter, options: [.sortedKeys, .withoutEscapingSlashes])
                print(String(decoding: line, as: UTF8.self))
            }
            print(things(letters.count, "dead letter"))
            if let cursor = report["cursor"] as? String { print("more: --cursor \(cursor)") }
        }
    }

    struct Resend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Send all dead letters of a webhook again.")

        @OptionGroup var options: AdminOptions

        @Argument(help: "Id of the webhook.")
        var id: String

        func run() async throws { try await WebhooksCommand.act("resend", "resent", id, options) }
    }

    struct Purge: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete all dead letters of a webhook.")

        @OptionGroup var options: AdminOptions

        @Argument(help: "Id of the webhook.")
        var id: String

        func run() async throws { try await WebhooksCommand.act("purge", "purged", id, options) }
    }

    private static func act(_ action: String, _ done: String, _ id: String, _ options: AdminOptions) async throws {
        let data = try await options.ask("/api/v1/webhooks/\(percentEncoded(id))/\(action)", body: Data("{}".utf8))
        if options.json { return print(String(decoding: data, as: UTF8.self), terminator: "") }
        let counts = try AdminOptions.decode(data, as: [String: Int].self)
        print("\(things(counts[done] ?? 0, "dead letter")) \(done)")
    }
}
