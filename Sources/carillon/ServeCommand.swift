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
            Without a file: clients on 0.0.0.0:8000, the API on 127.0.0.1:8001, no Redis.
            SIGTERM and Ctrl-C make it leave in good order: clients are told to reconnect, the cluster hears a farewell.

            EXAMPLES
              carillon serve
              carillon serve --config /etc/carillon.yaml
              CARILLON_CLIENT_LISTEN=127.0.0.1:9000 carillon serve
            """)

    @Option(name: [.short, .long], help: "The configuration file (YAML); CARILLON_CONFIG does the same.")
    var config: String?

    @Option(help: "Write the addresses to this file, as JSON, once the node listens. For ports chosen by the system.")
    var announce: String?

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let configuration = try ConfigurationFile.load(config ?? environment["CARILLON_CONFIG"], environment)
        let level = Logger.Level(rawValue: configuration.logLevel.rawValue) ?? .info
        let format = configuration.logFormat
        LoggingSystem.bootstrap { label in
            LineLogHandler(format: format, level: level, isLimited: label != LineLogHandler.auditLabel)
        }
        let logger = Logger(label: "carillon")

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
                "node \(node.name) (\(node.id)) serves clients on \(client)\(node.secureAddress.map { " and, with TLS, on \($0)" } ?? ""), the API on \(admin), backplane \(configuration.backplane.rawValue)"
            )
            if let file { Self.write(node, client, admin, to: file, logger) }
        }
        let inspector = ClusterInspector(node: node)
        inspector.attach()
        var quiet = Logger(label: "carillon.admin")
        quiet.logLevel = max(level, .warning)
        let admin = AdminServer(node: node, inspector: inspector, logger: quiet) {
            await announcement.adminListens(at: $0)
        }
        let service = NodeService(node: node) { await announcement.clientListens(at: "\(node.clientAddress)") }
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    // Ended in the opposite order: the sessions leave while the API tells how far they are, then the API ends
                    // and with it what it still has to answer, and only then what it asks.
                    .init(service: service),
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
        // Threads of libraries still run, and what exit() takes down before it ends the process may be theirs: seen once to
        // wait for ever.
        fflush(nil)
        _exit(0)
    }

    private static func write(_ node: RunningNode, _ client: String, _ admin: String, to file: String, _ logger: Logger)
    {
        var content: [String: String] = [
            "client": client, "admin": admin, "node": node.id.description, "name": node.name,
            "pid": "\(ProcessInfo.processInfo.processIdentifier)",
        ]
        content["client_tls"] = node.secureAddress.map { "\($0)" }
        do {
            try JSONEncoder().encode(content).write(to: URL(fileURLWithPath: file), options: .atomic)
        } catch {
            logger.error("cannot write \(file): \(error.localizedDescription)")
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
        var text: String?
        if let path {
            do {
                let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
                defer { try? handle.close() }
                let data = try handle.read(upToCount: ConfigurationReader.maximumFileBytes + 1) ?? Data()
                guard let decoded = String(validating: data, as: UTF8.self) else {
                    throw Failure("\(path): this is not UTF-8 text")
                }
                text = decoded
            } catch let failure as Failure {
                throw failure
            } catch {
                throw Failure("cannot read \(path): \(String(cString: strerror(errno)))")
            }
        }
        do {
            return try ConfigurationReader.read(text, source: path ?? "configuration", environment: environment)
        } catch {
            throw Failure("the configuration is not right:\n\(error)")
        }
    }
}
