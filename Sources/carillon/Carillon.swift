import ArgumentParser
import Node

@main
struct Carillon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "carillon",
        abstract:
            "A broadcast backplane for WebSockets: one publish, made anywhere, reaches every subscriber everywhere.",
        discussion: """
            EXAMPLES
              carillon serve                            one node, nothing to configure
              carillon serve --config carillon.yaml     as the file says
              carillon check carillon.yaml              is the file right?
              carillon cluster                          what runs, and how it is
              carillon publish news '{"n": 1}'          to every subscriber of "news"

            The commands that ask a node take --admin URL or CARILLON_ADMIN (default http://127.0.0.1:8001), and
            --token or CARILLON_ADMIN_TOKEN.

            EXIT STATUS
              0  done
              1  it could not be done: the message says why
              64 the command line is wrong
            """,
        version: RunningNode.version,
        subcommands: [
            ServeCommand.self, CheckCommand.self, ConfigCommand.self, ClusterCommand.self, ChannelsCommand.self,
            ConnectionsCommand.self, PresenceCommand.self, PublishCommand.self, SubscribeCommand.self,
            CloseCommand.self, DrainCommand.self,
            TokenCommand.self, BenchCommand.self,
        ])
}
