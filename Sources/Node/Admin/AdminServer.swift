import Codec
import Files
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
    private let reloads: Reloads
    private let logger: Logger
    private let onListening: @Sendable (String) async -> Void

    /// The largest request body, in bytes, beside the message in it.
    static let bodyOverhead = 64 * 1024

    /// - Parameter onListening: Called with the address once the port is open.
    package init(
        node: RunningNode, inspector: ClusterInspector, reloads: Reloads, logger: Logger,
        onListening: @escaping @Sendable (String) async -> Void
    ) {
        self.node = node
        self.inspector = inspector
        self.reloads = reloads
        self.logger = logger
        self.onListening = onListening
    }

    package func run() async throws {
        let listen = node.configuration.adminListen
        let router = Router(context: AdminContext.self)
        router.add(middleware: AuditTrail(node: node))
        router.add(middleware: ErrorShape())
        router.add(middleware: PageGuard(live: node.live))
        router.add(middleware: TokenCheck(live: node.live))
        router.add(middleware: LivenessCheck(watch: node.watch))
        router.add(middleware: BodyCoding())
        Routes(
            node: node, inspector: inspector, publisher: NodePublisher(exchange: node.exchange, origin: node.id)
        ).add(to: router)
        ReloadRoutes(node: node, reloads: reloads).add(to: router)
        WebhookRoutes(webhooks: node.webhooks).add(to: router)
        let onListening = onListening
        let application = Application(
            router: router, server: try Self.server(node.configuration),
            configuration: .init(
                address: .hostname(listen.ipText, port: Int(listen.port ?? 0)), serverName: "carillon",
                availableConnectionsDelegate: AdminConnections(count: node.adminConnections)),
            onServerRunning: { channel in
                // With the port that was chosen, if that was left to the system.
                await onListening("\(listen.with(port: channel.localAddress?.port))")
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
                additionalChannelHandlers: [AdminHTTPInstaller()],
                idleTimeout: .nanoseconds(Int64(clamping: configuration.adminIdleTimeout.wholeNanoseconds)),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: headerBytes, maxHeaderListSize: headerBytes, maxHeaderFieldCount: headerFields))
        )
        guard let certificate = configuration.adminTLS.certificate, let key = configuration.adminTLS.key else {
            return plain
        }
        do {
            // Read here: the library would wait for somebody to write into a pipe.
            let chain = try NIOSSLCertificate.fromPEMBytes(
                FileContents.of(certificate, limit: TLSContext.fileBytes))
            let privateKey = try NIOSSLPrivateKey(
                bytes: FileContents.of(key, limit: TLSContext.fileBytes), format: .pem)
            var tls = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(privateKey))
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
