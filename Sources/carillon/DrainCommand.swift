import ArgumentParser
import Foundation
import Node

struct DrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Let the clients of a node go to the others, before it is stopped.",
        discussion: """
            The node says that it is not ready, waits for the balancer (drain.wait), takes no new clients and tells those who
            are there to reconnect, spread over drain.window. It stays, without clients, until it is stopped. Stopping a node
            (SIGTERM) drains it too.

            EXAMPLES
              carillon drain edge-2
              carillon drain 4f3c2b1a09876543 --no-wait
            """)

    @OptionGroup var options: AdminOptions

    @Flag(inversion: .prefixedNo, help: "Show how far it is until it is done.")
    var wait = true

    @Argument(help: "The node's name or id, from 'carillon cluster'.")
    var node: String

    func run() async throws {
        let path = "/api/v1/nodes/\(percentEncoded(node))"
        let reply = try await options.ask("\(path)/drain", body: Data("{}".utf8))
        if options.json { return print(String(decoding: reply, as: UTF8.self), terminator: "") }
        guard wait else { return print("draining") }
        var shown: String?
        while true {
            let entry = try await options.ask(path, as: NodeEntry.self)
            let sessions = entry.summary?.sessions ?? 0
            let phase = entry.summary?.draining ?? "begins"
            let line = "\(entry.name): \(phase), \(sessions) sessions"
            if line != shown { print(line) }
            shown = line
            if phase == "drained" { return }
            try await Task.sleep(for: .milliseconds(500))
        }
    }
}
