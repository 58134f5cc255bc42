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
        let router = Router(context: BasicRequestContext.self)
        router.add(middleware: ErrorShape())
        router.add(middleware: TokenCheck(token: node.configuration.adminToken))
        Routes(node: node, inspector: inspector).add(to: router)
        let onListening = onListening
        let application = Application(
            router: router, server: try Self.server(node.configuration.adminTLS),
            configuration: .init(
                address: .hostname(listen.ipText, port: Int(listen.port ?? 0)), serverName: "carillon"),
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
    /// HTTP/1.1, over TLS where it is configured.
    static func server(_ files: TLSFiles) throws -> HTTPServerBuilder {
        guard let certificate = files.certificate, let key = files.key else { return .http1() }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain, privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            return try .tls(.http1(), tlsConfiguration: configuration)
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

/// Gives every refusal the API's shape, and says what is there when somebody asks for what is not.
private struct ErrorShape: RouterMiddleware {
    func handle(
        _ request: Request, context: BasicRequestContext, next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as APIError {
            return error.response(from: request, context: context)
        } catch let error as Hummingbird.HTTPError where error.status == .notFound {
            return unknownPath(request).response(from: request, context: context)
        } catch let error as Hummingbird.HTTPError {
            return refusal(error.status, error.body).response(from: request, context: context)
        } catch let error as any HTTPResponseError {
            return refusal(error.status, nil).response(from: request, context: context)
        } catch {
            context.logger.error("request failed: \(error)")
            return APIError(status: .internalServerError, code: "internal", message: "the request failed; see the log")
                .response(from: request, context: context)
        }
    }

    private func refusal(_ status: HTTPResponse.Status, _ message: String?) -> APIError {
        guard status == .contentTooLarge else {
            return APIError(status: status, code: "bad_request", message: message ?? status.reasonPhrase)
        }
        return APIError(
            status: status, code: "body_too_large", message: "the body is larger than any message may be, by far")
    }

    private func unknownPath(_ request: Request) -> APIError {
        let allowed = Routes.methods(for: request.uri.path)
        if !allowed.isEmpty {
            return APIError(
                status: .methodNotAllowed, code: "method_not_allowed",
                message: "\(request.method) is not possible here; right would be \(allowed.joined(separator: ", "))",
                headers: ["Allow": allowed.joined(separator: ", ")])
        }
        return APIError(
            status: .notFound, code: "unknown_path",
            message: "nothing is at this path; known are \(Routes.all.map(\.path).joined(separator: ", "))")
    }
}

/// Asks for the token where one is set; health and metrics too, since they tell about the cluster.
private struct TokenCheck: RouterMiddleware {
    let token: String?

    func handle(
        _ request: Request, context: BasicRequestContext, next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        guard let token, !request.uri.path.hasPrefix("/health/") else { return try await next(request, context) }
        let given = request.headers[.authorization] ?? ""
        guard Self.isEqual(Array(given.utf8), Array("Bearer \(token)".utf8)) else {
            throw APIError(
                status: .unauthorized, code: "unauthorized", message: "send the header Authorization: Bearer TOKEN",
                headers: ["WWW-Authenticate": "Bearer realm=\"carillon\""])
        }
        return try await next(request, context)
    }

    /// In a time that depends on the lengths only.
    private static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        var difference = left.count ^ right.count
        for index in right.indices { difference |= Int(right[index] ^ (index < left.count ? left[index] : 0xFF)) }
        return difference == 0
    }
}
