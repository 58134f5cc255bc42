import Codec
import UnixSignals
import ArgumentParser
import Foundation
import Glibc
import Logging
import Node
import Reactor
import ServiceLifecycle

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run a node.",
        discussion: """
            Without a configuration file, the node serves clients on 0.0.0.0:8000 and the API on 127.0.0.1:8001, without Redis.
            SIGTERM or Ctrl-C drains and stops the node: clients are told to reconnect, and the other nodes are informed.
            A second signal stops it at once.

            EXAMPLES
              carillon serve
              carillon serve --config /etc/carillon.yaml
              CARILLON_CLIENT_LISTEN=127.0.0.1:9000 carillon serve
            """)

    @Option(name: [.short, .long], help: "Configuration file, in YAML (or CARILLON_CONFIG).")
    var config: String?

    @Option(
        help:
            "Write the listen addresses to this file as JSON once the node is listening. For ports chosen by the system (port 0)."
    )
    var announce: String?

    func run() async throws {
        // Why the node cannot run is logged before this ends.
        defer { LogWriter.standardError.flush(within: .seconds(1)) }
        StraySignals.ignore()
        let environment = ProcessInfo.processInfo.environment
        let path = config ?? environment["CARILLON_CONFIG"]
        let configuration = try ConfigurationFile.load(path, environment)
        LogSettings.use(configuration)
        LoggingSystem.bootstrap { LineLogHandler(isLimited: $0 != LineLogHandler.auditLabel) }
        let logger = Logger(label: "carillon")
        for warning in configuration.warnings { logger.warning("\(warning)") }
        let files = FileInspection(configuration)
        guard files.errors.isEmpty else {
            throw Failure("the node cannot start: \(files.errors.joined(separator: "\n"))")
        }
        for warning in files.warnings { logger.warning("\(warning)") }

        let node: RunningNode
        do {
            node = try RunningNode(
                configuration: configuration, hostName: ProcessInfo.processInfo.hostName,
                cores: ProcessInfo.processInfo.activeProcessorCount, log: logger)
        } catch {
            throw Failure("the node cannot start: \(error)")
        }
        let file = announce
        let announcement = Announcement { client, admin in
            logger.info(
                "node \(node.name) (\(node.id)) serves clients on \(client)\(Self.secure(node)), the API on \(admin), backplane \(configuration.backplane.rawValue)"
            )
            ServiceManager.tell(.ready(status: "serving clients on \(client)"))
            if let file { Self.write(node, admin, to: file, logger) }
        }
        let inspector = ClusterInspector(node: node)
        inspector.attach()
        var quiet = Logger(label: "carillon.admin")
        quiet.logLevel = max(LogSettings.level, .warning)
        let reloads = node.reloads(
            from: ConfigurationSource(path: path) { ProcessInfo.processInfo.environment })
        let admin = AdminServer(node: node, inspector: inspector, reloads: reloads, logger: quiet) {
            await announcement.adminListens(at: $0)
        }
        let service = NodeService(node: node, reloads: reloads) {
            await announcement.clientListens(at: Self.list(node.clientAddresses))
        }
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    // Ended in the opposite order: the sessions leave while the API tells how far they are, then the API ends
                    // and with it what it still has to answer, and only then what it asks.
                    .init(service: service),
                    .init(service: node.watch),
                    .init(service: NodeMonitor(node: node, admin: "\(configuration.adminListen)")),
                    .init(service: admin), .init(service: DrainService(node: node)),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet))
        do {
            try await group.run()
        } catch {
            throw Failure("the node cannot run: \(error)")
        }
        logger.info("node \(node.name) has left")
        LogWriter.standardError.flush(within: .seconds(1))
        // Threads of libraries still run, and what exit() takes down before it ends the process may be theirs: seen once to
        // wait for ever.
        fflush(nil)
        _exit(0)
    }

    private static func list(_ addresses: [SocketAddress]) -> String {
        addresses.map(\.description).joined(separator: ", ")
    }

    private static func secure(_ node: RunningNode) -> String {
        node.secureAddresses.isEmpty ? "" : " and, with TLS, on \(list(node.secureAddresses))"
    }

    /// What `--announce` writes. `client` and `client_tls` are the first address of several.
    private struct Addresses: Encodable {
        var client: String?
        var clientTls: String?
        var clients: [String]
        var clientsTls: [String]
        var admin: String
        var node: String
        var name: String
        var pid: String
    }

    private static func write(_ node: RunningNode, _ admin: String, to file: String, _ logger: Logger) {
        let clients = node.clientAddresses.map(\.description)
        let secure = node.secureAddresses.map(\.description)
        let content = Addresses(
            client: clients.first, clientTls: secure.first, clients: clients, clientsTls: secure, admin: admin,
            node: node.id.description, name: node.name, pid: "\(ProcessInfo.processInfo.processIdentifier)")
        do {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            try encoder.encode(content).write(to: URL(fileURLWithPath: file), options: .atomic)
        } catch {
            logger.error("cannot write \(file): \(SystemError.text(of: errno))")
        }
    }
}

/// Something that could not be done, in one sentence.
struct Failure: Error, CustomStringConvertible, LocalizedError {
    let description: String

    init(_ description: String) { self.description = description }

    var errorDescription: String? { description }
}

enum ConfigurationFile {
    /// Reads a file, or nothing, and the environment.
    static func load(_ path: String?, _ environment: [String: String]) throws -> Configuration {
        do {
            return try ConfigurationSource(path: path) { environment }.read()
        } catch {
            throw Failure("the configuration is not valid:\n\(error)")
        }
    }
}
