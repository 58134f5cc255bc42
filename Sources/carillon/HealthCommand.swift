import ArgumentParser
import Foundation
import Node
import Reactor

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Check whether the node on this machine is ready, for container health checks.",
        discussion: """
            Without --admin and CARILLON_ADMIN, the address is the admin.listen of the configuration (--config,
            CARILLON_CONFIG and the other environment variables). The exit status is 0 if the node is ready, and 1 if it is not
            ready or does not answer.

            A node that has lost Redis is alive but not ready. If your platform restarts unhealthy containers, use --live:
            a restart would disconnect the clients and would not bring Redis back.

            EXAMPLES
              carillon health
              carillon health --live --config /etc/carillon/carillon.yaml
            """)

    @Flag(help: "Check only that the node is alive (/health/live).")
    var live = false

    @Option(help: "Address of the node's admin listener (or CARILLON_ADMIN).")
    var admin: String?

    @Option(
        help:
            "File with the CA certificates (PEM) for an https:// address (or CARILLON_CA). Default: the system's."
    )
    var ca: String?

    @Option(name: [.short, .long], help: "Configuration file of the node (or CARILLON_CONFIG).")
    var config: String?

    @Option(help: "Time limit for the node's answer, in seconds (0.1 to 60).")
    var timeout = 2.0

    func validate() throws {
        if admin != nil, config != nil { throw ValidationError("--admin and --config exclude each other") }
        if !(0.1...60).contains(timeout) { throw ValidationError("--timeout has to be 0.1 to 60") }
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        // A file that was named counts for more than the environment.
        let named = admin ?? (config == nil ? environment["CARILLON_ADMIN"] : nil)
        var endpoint = try named.map { AdminEndpoint($0) } ?? configured(environment)
        endpoint.authorities = ca ?? environment["CARILLON_CA"]
        let (status, data) = try await endpoint.ask(
            live ? "/health/live" : "/health/ready", deadline: .seconds(timeout))
        let text = Table.visible(String(decoding: data.prefix(1024).filter { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
        guard status == 200 else { throw Failure(text.isEmpty ? "the node answered with status \(status)" : text) }
        print(text)
    }

    /// Where the configuration lets the node on this machine listen. No token is sent there, so that its certificate, which
    /// is for another name than 127.0.0.1, need not be checked.
    private func configured(_ environment: [String: String]) throws -> AdminEndpoint {
        let configuration = try ConfigurationFile.load(config ?? environment["CARILLON_CONFIG"], environment)
        guard let address = configuration.adminListen.reachable else {
            throw Failure("admin.listen has port 0, so the port is not known: use --admin HOST:PORT")
        }
        var endpoint = AdminEndpoint("\(configuration.adminTLS.isOn ? "https" : "http")://\(address)")
        endpoint.checksCertificate = false
        return endpoint
    }
}

extension SocketAddress {
    /// Where a listener of this machine is reached from this machine; nil if its port is not known.
    fileprivate var reachable: SocketAddress? {
        switch self {
        case .ipv4(_, port: 0), .ipv6(_, _, port: 0, _), .unix: nil
        case .ipv4(0, let port): .ipv4(0x7F00_0001, port: port)
        case .ipv6(0, 0, let port, let scope): .ipv6(0, 1, port: port, scope: scope)
        default: self
        }
    }
}
