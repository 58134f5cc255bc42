import ArgumentParser
import Foundation
import Node

struct PublishCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Publish to a channel, a user, one connection or everybody.",
        discussion: """
            The payload is JSON if it reads as JSON, else text; --file - takes bytes from standard input as they are.

            EXAMPLES
              carillon publish news '{"n": 1}'
              carillon publish news 'good morning'
              carillon publish video:1 --file frame.bin
              carillon publish --all 'maintenance at 12:00'
              carillon publish --user ann '{"unread": 3}'
            """)

    @OptionGroup var options: AdminOptions

    @Flag(help: "To every connection of the cluster.")
    var all = false

    @Option(help: "To one connection (its id).")
    var connection: String?

    @Option(help: "To all connections of a user (the user's id).")
    var user: String?

    @Option(help: "Binary payload from a file, - for standard input.")
    var file: String?

    @Flag(help: "Send the payload as text even if it reads as JSON.")
    var text = false

    @Argument(help: "The channel (unless --all, --user or --connection), then the payload (unless --file).")
    var arguments: [String] = []

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
            guard let channel = rest.popFirst() else { throw ValidationError("say which channel, or --all") }
            body["channel"] = channel
        }
        if let file {
            let handle =
                file == "-" ? FileHandle.standardInput : try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
            body["base64"] = (try handle.readToEnd() ?? Data()).base64EncodedString()
        } else {
            guard let payload = rest.popFirst() else { throw ValidationError("say what to publish") }
            let value = try? JSONSerialization.jsonObject(with: Data(payload.utf8), options: .fragmentsAllowed)
            if !text, value != nil {
                guard rest.isEmpty else { throw ValidationError("one payload only: put it in quotes") }
                // Spliced in, so that numbers and spaces arrive as they were typed.
                let head = try JSONSerialization.data(withJSONObject: body, options: [.sortedKeys])
                let spliced = head.dropLast() + Data(",\"data\":".utf8) + Data(payload.utf8) + Data("}".utf8)
                return try await send(Data(spliced))
            }
            body["text"] = payload
        }
        guard rest.isEmpty else { throw ValidationError("one payload only: put it in quotes") }
        try await send(JSONSerialization.data(withJSONObject: body))
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
        abstract: "Close a connection, or all of a user, wherever they are.",
        discussion: """
            EXAMPLES
              carillon close 8f0c…-…
              carillon close --user ann
            """)

    @OptionGroup var options: AdminOptions

    @Argument(help: "The connection's id, from 'carillon connections'.")
    var id: String?

    @Option(help: "All connections of this user instead.")
    var user: String?

    func run() async throws {
        guard (id == nil) != (user == nil) else { throw ValidationError("say which connection, or which --user") }
        if let user {
            let reply = try await options.ask("/api/v1/users/\(percentEncoded(user))/close", body: Data("{}".utf8))
            if options.json { return print(String(decoding: reply, as: UTF8.self), terminator: "") }
            let closed = try JSONDecoder().decode(UserClosed.self, from: reply)
            return print(
                "\(closed.closed) closed; \(closed.nodes.answered) of \(closed.nodes.asked) nodes answered")
        }
        let id = id ?? ""
        let reply = try await options.ask("/api/v1/connections/\(percentEncoded(id))/close", body: Data("{}".utf8))
        if options.json { print(String(decoding: reply, as: UTF8.self), terminator: "") } else { print("closed") }
    }
}
