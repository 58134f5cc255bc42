import NIOHTTP1
import ArgumentParser
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOPosix
import Reactor

/// What every command that asks a node takes.
struct AdminOptions: ParsableArguments {
    @Option(help: "The admin address of any node (CARILLON_ADMIN).")
    var admin: String = ProcessInfo.processInfo.environment["CARILLON_ADMIN"] ?? "http://127.0.0.1:8001"

    @Option(help: "The admin token (CARILLON_ADMIN_TOKEN).")
    var token: String?

    @Flag(help: "JSON instead of a table.")
    var json = false

    /// Asks a node; what it refuses becomes a `Failure` with its own words.
    func ask(_ path: String, body: Data? = nil) async throws -> Data {
        let base = admin.hasSuffix("/") ? String(admin.dropLast()) : admin
        var request = HTTPClientRequest(url: (base.contains("://") ? base : "http://\(base)") + path)
        if let body {
            request.method = .POST
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        if let token = token ?? ProcessInfo.processInfo.environment["CARILLON_ADMIN_TOKEN"] {
            request.headers.add(name: "authorization", value: "Bearer \(token)")
        }
        let status: Int
        let data: Data
        do {
            let response = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
            status = Int(response.status.code)
            data = Data(try await response.body.collect(upTo: 64 << 20).readableBytesView)
        } catch {
            let reason = Self.reason(error)
            throw Failure("no node answers at \(base): \(reason). Is it running? Its admin.listen says where.")
        }
        guard status == 200 else {
            struct Refusal: Decodable {
                struct Inner: Decodable { let code: String; let message: String }
                let error: Inner
            }
            if let refusal = try? JSONDecoder().decode(Refusal.self, from: data) {
                throw Failure("\(refusal.error.message) (\(status) \(refusal.error.code))")
            }
            throw Failure("the node answered with status \(status)")
        }
        return data
    }

    private static func reason(_ error: any Error) -> String {
        if let error = error as? IOError { return SystemError.text(of: error.errnoCode) }
        if let error = error as? NIOConnectionError, let first = error.connectionErrors.first?.error as? IOError {
            return SystemError.text(of: first.errnoCode)
        }
        return "\(error)"
    }

    func ask<Reply: Decodable>(_ path: String, as type: Reply.Type) async throws -> Reply {
        let data = try await ask(path)
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

/// A path segment or query value.
func percentEncoded(_ text: String) -> String {
    text.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(.init(charactersIn: "-_.~"))) ?? text
}
