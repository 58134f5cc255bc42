import Codec
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import NIOSSL
package import Logging
import NIOCore
import Reactor
import ServiceLifecycle

/// The admin listener: the API, health, metrics and the page. For operators and applications, never for clients.
package struct AdminServer: Service {
    private let node: RunningNode
    private let inspector: ClusterInspector
    private let logger: Logger
    private let onListening: @Sendable (String) async -> Void

    /// The largest request body, in bytes, beside the message in it.
    static let bodyOverhead = 64 * 1024

    /// - Parameter onListening: Called with the address once the port is open.
    package init(
        node: RunningNode, inspector: ClusterInspector, logger: Logger,
        onListening: @escaping @Sendable (String) async -> Void
    ) {
        self.node = node
        self.inspector = inspector
        self.logger = logger
        self.onListening = onListening
    }

    package func run() async throws {
        let listen = node.configuration.adminListen
        let router = Router(context: AdminContext.self)
        router.add(middleware: AuditTrail(node: node))
        router.add(middleware: ErrorShape())
        router.add(middleware: PageGuard(namesOwnHost: node.configuration.adminToken == nil))
        router.add(middleware: TokenCheck(token: node.configuration.adminToken))
        Routes(node: node, inspector: inspector).add(to: router)
        let onListening = onListening
        let application = Application(
            router: router, server: try Self.server(node.configuration),
            configuration: .init(
                address: .hostname(listen.ipText, port: Int(listen.port ?? 0)), serverName: "carillon",
                availableConnectionsDelegate: AdminConnections(
                    limit: node.configuration.adminConnections, count: node.adminConnections)),
            onServerRunning: { channel in
                await onListening(channel.localAddress.map { "\($0.ipAddress ?? ""):\($0.port ?? 0)" } ?? "\(listen)")
            },
            logger: logger)
        do {
            try await application.runService(gracefulShutdownSignals: [])
        } catch let error as IOError {
            throw SystemError(call: "bind \(listen) for the admin listener", code: error.errnoCode)
        }
    }
}

extension AdminServer {
    /// Bytes of all header fields together, and of one, and how many there may be.
    private static let headerBytes = 16 * 1024
    private static let headerFields = 100

    /// HTTP/1.1, over TLS where it is configured.
    ///
    /// - Throws: What is wrong with the certificate or its key.
    static func server(_ configuration: Configuration) throws -> HTTPServerBuilder {
        let plain = HTTPServerBuilder.http1(
            configuration: .init(
                idleTimeout: .nanoseconds(Int64(configuration.adminIdleTimeout.wholeNanoseconds)),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: headerBytes, maxHeaderListSize: headerBytes, maxHeaderFieldCount: headerFields))
        )
        guard let certificate = configuration.adminTLS.certificate, let key = configuration.adminTLS.key else {
            return plain
        }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
            var tls = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain, privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
            tls.minimumTLSVersion = .tlsv12
            tls.applicationProtocols = ["http/1.1"]
            return try .tls(plain, tlsConfiguration: tls)
        } catch {
            throw AdminTLSError(certificate: certificate, key: key, reason: "\(error)")
        }
    }
}

/// Why the admin listener cannot have TLS.
private struct AdminTLSError: Error, CustomStringConvertible {
    let certificate: String
    let key: String
    let reason: String

    var description: String { "admin.tls with \(certificate) and \(key): \(reason)" }
}
