import NIOHTTP1
import ArgumentParser
import AsyncHTTPClient
import Files
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Reactor

/// What every command that asks a node takes.
struct AdminOptions: ParsableArguments {
    @Option(help: "Address of the admin listener of any node (or CARILLON_ADMIN).")
    var admin: String = ProcessInfo.processInfo.environment["CARILLON_ADMIN"] ?? "http://127.0.0.1:8001"

    @Option(help: "Admin token, the admin.token of the node (or CARILLON_ADMIN_TOKEN).")
    var token: String?

    @Option(
        help:
            "File with the CA certificates (PEM) for an https:// address (or CARILLON_CA). Default: the system's."
    )
    var ca: String?

    @Flag(help: "Print the node's JSON response instead of text.")
    var json = false

    private var endpoint: AdminEndpoint {
        var endpoint = AdminEndpoint(admin)
        endpoint.token = token ?? ProcessInfo.processInfo.environment["CARILLON_ADMIN_TOKEN"]
        endpoint.authorities = ca ?? ProcessInfo.processInfo.environment["CARILLON_CA"]
        return endpoint
    }

    /// Asks a node; what it refuses becomes a `Failure` with its own words.
    func ask(_ path: String, body: Data? = nil) async throws -> Data {
        let (status, data) = try await endpoint.ask(path, body: body)
        guard status == 200 else { throw AdminOptions.refusal(status, data) }
        return data
    }

    static func refusal(_ status: Int, _ data: Data) -> Failure {
        struct Refusal: Decodable {
            struct Inner: Decodable { let code: String; let message: String }
            let error: Inner
        }
        guard let refusal = try? JSONDecoder().decode(Refusal.self, from: data) else {
            return Failure("the node answered with status \(status)")
        }
        return Failure("\(refusal.error.message) (\(status) \(refusal.error.code))")
    }

    /// Reads an event stream of a node to its end.
    ///
    /// - Parameter body: Called with each event; false ends the reading.
    func read(_ path: String, _ body: (ServerSentEvent) throws -> Bool) async throws {
        try await endpoint.read(path, body)
    }

    func ask<Reply: Decodable>(_ path: String, as type: Reply.Type) async throws -> Reply {
        try Self.decode(try await ask(path), as: type)
    }

    static func decode<Reply: Decodable>(_ data: Data, as type: Reply.Type) throws -> Reply {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try decoder.decode(type, from: data)
        } catch {
            throw Failure("the node's answer is not understood: is it another version?")
        }
    }

    /// Prints the answer as it came.
    func printJSON(_ path: String) async throws {
        print(String(decoding: try await ask(path), as: UTF8.self), terminator: "")
    }
}

/// The admin listener of a node, and how to reach it.
struct AdminEndpoint {
    /// `http://127.0.0.1:8001`
    let base: String
    var token: String?
    /// A file; nil trusts those the system trusts.
    var authorities: String?
    /// False only for a node on this machine, and where nothing secret is sent.
    var checksCertificate = true

    /// `HOST:PORT` is `http://HOST:PORT`.
    init(_ admin: String) {
        let trimmed = admin.hasSuffix("/") ? String(admin.dropLast()) : admin
        base = trimmed.contains("://") ? trimmed : "http://\(trimmed)"
    }

    /// The longest answer, in bytes.
    private static let answerBytes = 64 << 20

    /// - Throws: That no node answers, and why.
    func ask(_ path: String, body: Data? = nil, deadline: Duration = .seconds(10)) async throws -> (Int, Data) {
        var request = request(path)
        if let body {
            request.method = .POST
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        return try await withClient(HTTPClient.Configuration()) { client in
            let response = try await client.execute(
                request, timeout: .nanoseconds(Int64(clamping: deadline.wholeNanoseconds)))
            let data = Data(try await response.body.collect(upTo: Self.answerBytes).readableBytesView)
            return (Int(response.status.code), data)
        }
    }

    /// How long a stream may be silent: the node says something every ten seconds.
    private static let silence: TimeAmount = .seconds(30)

    /// Reads an event stream to its end.
    ///
    /// - Throws: That no node answers, what it refuses, or what `body` throws.
    func read(_ path: String, _ body: (ServerSentEvent) throws -> Bool) async throws {
        var configuration = HTTPClient.Configuration()
        configuration.timeout.read = Self.silence
        let request = request(path)
        // What is done with events fails for reasons of its own.
        var failure: (any Error)?
        try await withClient(configuration) { client in
            let response = try await client.execute(request, deadline: .distantFuture)
            guard response.status == .ok else {
                let data = Data(try await response.body.collect(upTo: Self.answerBytes).readableBytesView)
                failure = AdminOptions.refusal(Int(response.status.code), data)
                return
            }
            var reader = ServerSentEvents()
            for try await part in response.body {
                for event in reader.take(part.readableBytesView) {
                    do { if try !body(event) { return } } catch {
                        failure = error
                        return
                    }
                }
            }
        }
        if let failure { throw failure }
    }

    private func request(_ path: String) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: base + path)
        if let token { request.headers.add(name: "authorization", value: "Bearer \(token)") }
        return request
    }

    private func withClient<Value>(
        _ configuration: HTTPClient.Configuration, _ body: (HTTPClient) async throws -> Value
    ) async throws -> Value {
        var configuration = configuration
        // The token is for the place that was named, and for no other.
        configuration.redirectConfiguration = .disallow
        if let authorities {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .certificates(try Self.certificates(in: authorities))
            configuration.tlsConfiguration = tls
        } else if !checksCertificate {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.certificateVerification = .none
            configuration.tlsConfiguration = tls
        }
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(client))
        } catch {
            result = .failure(
                Failure(
                    "no node answers at \(base): \(Self.reason(error)). Is it running? Its admin.listen says where."))
        }
        try? await client.shutdown()
        return try result.get()
    }

    /// Said here in one sentence, and not by the library.
    private static func certificates(in path: String) throws -> [NIOSSLCertificate] {
        let bytes: [UInt8]
        do throws(FileError) { bytes = try FileContents.of(path, limit: TLSContext.fileBytes) } catch {
            throw Failure("cannot read \(path): \(error)")
        }
        guard let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes), !certificates.isEmpty else {
            throw Failure("\(TLSError.noCertificate(file: path))")
        }
        return certificates
    }

    private static func reason(_ error: any Error) -> String {
        if let error = error as? IOError { return SystemError.text(of: error.errnoCode) }
        if let error = error as? NIOConnectionError, let first = error.connectionErrors.first?.error as? IOError {
            return SystemError.text(of: first.errnoCode)
        }
        return "\(error)"
    }
}

/// A path segment or query value.
func percentEncoded(_ text: String) -> String {
    text.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(.init(charactersIn: "-_.~"))) ?? text
}
