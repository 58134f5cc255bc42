import ArgumentParser
import Codec
import Foundation
import Node

struct PublishCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Publish to a channel, a user, one connection or all connections.",
        discussion: """
            A payload that is valid JSON is sent as JSON, any other as text. "-" reads the payload from standard input and
            drops a line break at its end. --file sends the bytes of a file unchanged, as a binary payload. With --text, the
            payload is always sent as text.

            EXAMPLES
              carillon publish news '{"n": 1}'
              carillon publish news 'good morning'
              date | carillon publish news -
              carillon publish video:1 --file frame.bin
              carillon publish --all 'maintenance at 12:00'
              carillon publish --user ann '{"unread": 3}'
              carillon publish chat:1 --event said '["ann", "hello"]'
            """)

    @OptionGroup var options: AdminOptions

    @Flag(help: "Publish to every connection of the cluster.")
    var all = false

    @Option(help: "Publish to one connection, by its id.")
    var connection: String?

    @Option(help: "Publish to all connections of a user, by the user's id.")
    var user: String?

    @Option(help: "Read the payload from this file, or from standard input if it is -.")
    var file: String?

    @Flag(help: "Send the payload as text, even if it is valid JSON.")
    var text = false

    @Option(help: "The name of the event: what SignalR clients are called with, and the event of event streams.")
    var event: String?

    @Argument(help: "The channel (omitted with --all, --user or --connection), then the payload (omitted with --file).")
    var arguments: [String] = []

    /// Whom it is for, apart from a channel.
    private var targets: [String] {
        (all ? ["--all"] : []) + (user == nil ? [] : ["--user"]) + (connection == nil ? [] : ["--connection"])
    }

    func validate() throws {
        if targets.count > 1 {
            throw ValidationError("\(targets.joined(separator: " and ")) exclude each other: publish to one of them")
        }
        let wanted = (targets.isEmpty ? 1 : 0) + (file == nil ? 1 : 0)
        if arguments.count < wanted {
            throw ValidationError(
                targets.isEmpty && arguments.isEmpty ? "say which channel, or --all" : "say what to publish")
        }
        if arguments.count > wanted {
            if file != nil {
                throw ValidationError("--file is the payload already: \(arguments[wanted]) is one too many")
            }
            throw ValidationError(
                targets.isEmpty
                    ? "one payload only: put it in quotes"
                    : "\(targets[0]) says whom it is for, so only the payload is expected: put it in quotes")
        }
    }

    func run() async throws {
        var rest = arguments[...]
        var body: [String: Any] = [:]
        if all {
            body["all"] = true
        } else if let user {
            body["user"] = user
        } else if let connection {
            body["connection"] = connection
        } else {
            body["channel"] = rest.popFirst()
        }
        if let event { body["event"] = event }
        if let file {
            let bytes = try InputFile.contents(of: file)
            guard text else {
                body["base64"] = bytes.base64EncodedString()
                return try await send(JSONSerialization.data(withJSONObject: body))
            }
            body["text"] = try Self.text(of: bytes, file)
            return try await send(JSONSerialization.data(withJSONObject: body))
        }
        var payload = rest.popFirst() ?? ""
        if payload == "-" {
            payload = try Self.text(of: try InputFile.contents(of: "-"), "standard input")
            if payload.hasSuffix("\n") { payload.removeLast() }
        }
        let value = try? JSONSerialization.jsonObject(with: Data(payload.utf8), options: .fragmentsAllowed)
        guard !text, value != nil else {
            body["text"] = payload
            return try await send(JSONSerialization.data(withJSONObject: body))
        }
        // Spliced in, so that numbers and spaces arrive as they were typed.
        let head = try JSONSerialization.data(withJSONObject: body, options: [.sortedKeys])
        try await send(Data(head.dropLast() + Data(",\"data\":".utf8) + Data(payload.utf8) + Data("}".utf8)))
    }

    private static func text(of bytes: Data, _ source: String) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure("\(source): this is not UTF-8 text; without --text, --file sends any bytes")
        }
        return text
    }

    private func send(_ body: Data) async throws {
        let reply = try await options.ask("/api/v1/publish", body: body)
        if options.json { print(String(decoding: reply, as: UTF8.self), terminator: "") } else { print("published") }
    }
}

private struct UserClosed: Decodable {
    var closed: Int
    var nodes: NodeCount
}

struct CloseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "close",
        abstract: "Close one connection, or all connections of a user, on any node.",
        discussion: """
            EXAMPLES
              carillon close 8f0c…-…
              carillon close --user ann
            """)

    @OptionGroup var options: AdminOptions

    @Argument(help: "Id of the connection, as shown by 'carillon connections'.")
    var id: String?

    @Option(help: "Close all connections of this user instead.")
    var user: String?

    func validate() throws {
        if id != nil, user != nil {
            throw ValidationError("a connection and --user exclude each other: close one of them")
        }
        if id == nil, user == nil { throw ValidationError("say which connection, or which --user") }
    }

    func run() async throws {
        if let user {
            let reply = try await options.ask("/api/v1/users/\(percentEncoded(user))/close", body: Data("{}".utf8))
            if options.json { return print(String(decoding: reply, as: UTF8.self), terminator: "") }
            let closed = try JSONDecoder().decode(UserClosed.self, from: reply)
            return print(
                "\(closed.closed) closed; \(closed.nodes.answered) of \(things(closed.nodes.asked, "node")) answered")
        }
        let id = id ?? ""
        let reply = try await options.ask("/api/v1/connections/\(percentEncoded(id))/close", body: Data("{}".utf8))
        if options.json { print(String(decoding: reply, as: UTF8.self), terminator: "") } else { print("closed") }
    }
}
