import ArgumentParser
import Codec
import Foundation
import Node

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a configuration file. Reports each problem with line and column.",
        discussion: """
            Certificates, keys and other files that the configuration names are checked too. With an error, a node would not
            start, and the exit status is 1. A warning points out a setting that is probably a mistake. With warnings only,
            the exit status is 0.

            With --against, a running node is asked what a reload would change, and what would need a restart. Nothing is changed.
            Secrets are compared by digests; neither side shows them.

            EXAMPLES
              carillon check carillon.yaml
              carillon check carillon.yaml --against http://127.0.0.1:8001
            """)

    @Argument(help: "Configuration file to check.")
    var file: String

    @Option(help: "Address of the admin listener of a node: say what a reload with this file would change there.")
    var against: String?

    @Option(help: "Admin token of that node (or CARILLON_ADMIN_TOKEN).")
    var token: String?

    @Option(
        help:
            "File with the CA certificates (PEM) for an https:// address (or CARILLON_CA). Default: the system's."
    )
    var ca: String?

    @Flag(help: "Print the node's JSON response instead of text. Only with --against.")
    var json = false

    func validate() throws {
        if against == nil, token != nil || ca != nil || json {
            throw ValidationError("--token, --ca and --json need --against")
        }
    }

    func run() async throws {
        let configuration = try ConfigurationFile.load(file, ProcessInfo.processInfo.environment)
        let files = FileInspection(configuration)
        let warnings = configuration.warnings.map(\.description) + files.warnings.map { "\(file): \($0)" }
        for warning in warnings { FileHandle.standardError.write(Data("warning: \(warning)\n".utf8)) }
        guard files.errors.isEmpty else {
            throw Failure(files.errors.map { "\(file): \($0)" }.joined(separator: "\n"))
        }
        let count = warnings.count
        if !json {
            print(count == 0 ? "\(file): valid" : "\(file): valid, with \(things(count, "warning"))")
        }
        if let against { try await compare(configuration, against) }
    }

    /// What the node is sent.
    private struct Comparison: Encodable {
        let nonce: String
        let entries: [ConfigurationEntry]
    }

    private func compare(_ configuration: Configuration, _ address: String) async throws {
        var options = try AdminOptions.parse(["--admin", address])
        options.token = token
        options.ca = ca
        var random = SystemRandomNumberGenerator()
        // 128 random bits.
        let nonce = (0..<16).map { _ in
            let byte = UInt8.random(in: 0...UInt8.max, using: &random)
            return (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
        let body = try JSONEncoder().encode(
            Comparison(nonce: nonce, entries: configuration.entries(nonce: Array(nonce.utf8))))
        let data = try await options.ask("/api/v1/config/compare", body: body)
        if json { return print(String(decoding: data, as: UTF8.self), terminator: "") }
        guard let report = try? JSONDecoder().decode(ComparisonReport.self, from: data) else {
            throw Failure("the node's answer is not understood: is it another version?")
        }
        let name = Table.visible(report.node)
        guard !report.changed.isEmpty else { return print("node \(name): a reload changes nothing") }
        let waiting = report.changed.count { $0.effect == .restart }
        print(
            "node \(name): \(things(report.changed.count, "key differs", "keys differ")); \(waiting == 0 ? "a reload applies all of them" : "a reload leaves out \(things(waiting, "that needs", "that need")) a restart")"
        )
        for change in report.changed {
            print(
                "  \(Table.visible(change.key)) (\(change.effect == .restart ? "needs a restart" : change.effect.rawValue))"
            )
            print("    in force: \(Table.visible(change.from))")
            print("    in \(file): \(Table.visible(change.to))")
        }
    }
}

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Print a commented configuration file.",
        discussion: """
            EXAMPLES
              carillon config --defaults > carillon.yaml
            """)

    @Flag(help: "Print every key with its default and description (the default output).")
    var defaults = false

    @Flag(help: "Print the keys as a Markdown table.")
    var table = false

    func validate() throws {
        if defaults, table { throw ValidationError("--defaults and --table exclude each other") }
    }

    func run() async throws {
        print(table ? ConfigurationText.table : ConfigurationText.defaults, terminator: "")
    }
}
