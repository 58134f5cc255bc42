import ArgumentParser
import Logging
import Foundation
import Node

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Is a configuration file right? Says what is not, with line and column.",
        discussion: """
            EXAMPLES
              carillon check carillon.yaml
            """)

    @Argument(help: "The file.")
    var file: String

    func run() async throws {
        let configuration = try ConfigurationFile.load(file, ProcessInfo.processInfo.environment)
        do {
            _ = try Gatekeeper(configuration, log: Logger(label: "check"))
            try configuration.readCertificates()
        } catch {
            throw Failure("\(file): \(error)")
        }
        print("\(file): right")
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

    @Flag(help: "Every key with its default and what it is for.")
    var defaults = false

    @Flag(help: "The keys as a Markdown table.")
    var table = false

    func run() async throws {
        print(table ? ConfigurationText.table : ConfigurationText.defaults, terminator: "")
    }
}
