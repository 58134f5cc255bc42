import ArgumentParser
import Codec
import Foundation
import Node

struct DrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Move the clients of a node to the other nodes, before the node is stopped.",
        discussion: """
            The node reports not ready and waits for the balancer to notice (drain.wait). Then it accepts no new clients and
            tells its clients to reconnect, spread over drain.window. The node keeps running without clients until it is stopped
            or put back with --undo, which makes it accept clients and report ready again. Stopping a node (SIGTERM) drains it
            too.

            EXAMPLES
              carillon drain edge-2
              carillon drain 4f3c2b1a09876543 --no-wait
              carillon drain edge-2 --undo
            """)

    @OptionGroup var options: AdminOptions

    @Flag(inversion: .prefixedNo, help: "Wait for the end of the drain and show its progress.")
    var wait = true

    @Flag(help: "Put a drained node back: it accepts clients again.")
    var undo = false

    @Argument(help: "Name or id of the node, as shown by 'carillon cluster'.")
    var node: String

    func run() async throws {
        let path = "/api/v1/nodes/\(percentEncoded(node))"
        if undo {
            let reply = try await options.ask("\(path)/undrain", body: Data("{}".utf8))
            if options.json { return print(String(decoding: reply, as: UTF8.self), terminator: "") }
            return print("\(node): serving")
        }
        let reply = try await options.ask("\(path)/drain", body: Data("{}".utf8))
        if options.json { return print(String(decoding: reply, as: UTF8.self), terminator: "") }
        guard wait else { return print("draining") }
        var shown: String?
        while true {
            let entry = try await options.ask(path, as: NodeEntry.self)
            let sessions = entry.summary?.sessions ?? 0
            let phase = entry.summary?.draining ?? "begins"
            let line = "\(entry.name): \(phase), \(things(sessions, "session"))"
            if line != shown {
                print(line)
                try StandardOutput.flush()
            }
            shown = line
            if phase == "drained" { return }
            try await Task.sleep(for: .milliseconds(500))
        }
    }
}
