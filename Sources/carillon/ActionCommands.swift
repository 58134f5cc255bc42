import ArgumentParser
import Foundation

struct PublishCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Publish to a channel, to one connection or to everybody.",
        discussion: """
            The payload is JSON if it reads as JSON, else text; --file - takes bytes from standard input as they are.

            EXAMPLES
              carillon publish news '{"n": 1}'
              carillon publish news 'good morning'
              carillon publish video:1 --file frame.bin
              carillon publish --all 'maintenance at 12:00'
            """)

    @OptionGroup var options: AdminOptions

    @Flag(help: "To every connection of the cluster.")
    var all = false

    @Option(help: "To one connection (its id).")
    var connection: String?

    @Option(help: "Binary payload from a file, - for standard input.")
    var file: String?

    @Flag(help: "Send the payload as text even if it reads as JSON.")
    var text = false

    @Argument(help: "The channel (unless --all or --connection), then the payload (unless --file).")
    var arguments: [String] = []

    func run() async throws {
        var rest = arguments[...]
        var body: [String: Any] = [:]
        if all {
            body["all"] = true
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

struct CloseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "close",
        abstract: "Close a connection, wherever it is.",
        discussion: """
            EXAMPLES
              carillon close 8f0c…-…
            """)

    @OptionGroup var options: AdminOptions

    @Argument(help: "The connection's id, from 'carillon connections'.")
    var id: String

    func run() async throws {
        let reply = try await options.ask("/api/v1/connections/\(percentEncoded(id))/close", body: Data("{}".utf8))
        if options.json { print(String(decoding: reply, as: UTF8.self), terminator: "") } else { print("closed") }
    }
}
