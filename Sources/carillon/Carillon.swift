import ArgumentParser
import Foundation
import Node

@main
struct Carillon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "carillon",
        abstract:
            "A broadcast backplane for WebSockets: a message published on any node reaches every subscriber on every node.",
        discussion: """
            EXAMPLES
              carillon serve                            run a node with the defaults
              carillon serve --config carillon.yaml     run a node with a configuration file
              carillon check carillon.yaml              check a configuration file
              carillon cluster                          list the nodes and their state
              carillon top                              watch the cluster in the terminal
              carillon publish news '{"n": 1}'          publish to every subscriber of "news"

            Commands that query a node take its admin address from --admin or CARILLON_ADMIN (default
            http://127.0.0.1:8001), and the admin token from --token or CARILLON_ADMIN_TOKEN.

            EXIT STATUS
              0  success
              1  failure: the message says why
              64 invalid command line
            """,
        version: Version.text,
        subcommands: [
            ServeCommand.self, CheckCommand.self, ConfigCommand.self, ClusterCommand.self, ChannelsCommand.self,
            ConnectionsCommand.self, TopCommand.self, TailCommand.self, TraceCommand.self, PresenceCommand.self,
            HistoryCommand.self, PublishCommand.self, SubscribeCommand.self, CloseCommand.self, DrainCommand.self,
            RevokeCommand.self, RevocationsCommand.self,
            HealthCommand.self,
            WebhooksCommand.self, TokenCommand.self, SizeCommand.self, BenchCommand.self,
        ])

    static func main() async {
        CrashSignals.endAtOnce()
        StandardOutput.watch()
        do {
            var command = try parseAsRoot()
            do {
                if var waiting = command as? any AsyncParsableCommand {
                    try await waiting.run()
                } else {
                    try command.run()
                }
            } catch let error as ValidationError {
                // What a command finds out while it runs is told with its own usage, and not with that of the program.
                complain(error, about: type(of: command))
            }
        } catch {
            exit(withError: error)
        }
    }

    private static func complain(_ error: ValidationError, about command: any ParsableCommand.Type) -> Never {
        let usage = usageString(for: command)
        let words = usage.prefix { $0 != "[" && $0 != "<" }.split(separator: " ").joined(separator: " ")
        FileHandle.standardError.write(
            Data(
                "Error: \(error.message)\nUsage: \(usage)\n  See '\(words) --help' for more information.\n"
                    .utf8))
        Foundation.exit(ExitCode.validationFailure.rawValue)
    }
}
