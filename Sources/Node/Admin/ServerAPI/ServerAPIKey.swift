import Foundation
import HTTPTypes
import Hummingbird

/// Asks for the key of the server API where there is one, in each of the places that Centrifugo looks at: `X-API-Key`,
/// `Authorization: apikey KEY`, the query parameter `api_key`; and `Authorization: Bearer KEY`, as for the rest of the API.
///
/// `admin.api_key` opens this API and nothing else. `admin.token` opens it too.
struct ServerAPIKey: RouterMiddleware {
    /// Any of them will do; where there is none, nothing is asked for.
    private var keys: [[UInt8]] {
        let configuration = live.configuration
        return [configuration.adminAPIKey, configuration.adminToken].compactMap { $0.map { Array($0.utf8) } }
    }
    private let live: LiveConfiguration

    private static let field = HTTPField.Name("X-API-Key")!

    init(_ live: LiveConfiguration) { self.live = live }

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        let keys = keys
        guard !keys.isEmpty else { return try await next(request, context) }
        let given = Self.given(in: request)
        // Each is compared with each, whatever the others said.
        let isRight = given.reduce(false) { isRight, given in
            keys.reduce(isRight) { TokenCheck.isEqual(given, $1) || $0 }
        }
        guard isRight else {
            throw APIError(
                status: .unauthorized, code: "unauthorized", message: "send the header X-API-Key: KEY",
                headers: ["WWW-Authenticate": "apikey realm=\"carillon\""])
        }
        return try await next(request, context)
    }

    private static func given(in request: Request) -> [[UInt8]] {
        var given: [[UInt8]] = []
        if let value = request.headers[field] { given.append(Array(value.utf8)) }
        let authorization = request.headers[.authorization] ?? ""
        for scheme in ["apikey", "bearer"] { given.append(TokenCheck.credentials(scheme, in: authorization)) }
        for pair in (request.uri.query ?? "").split(separator: "&") where pair.hasPrefix("api_key=") {
            given.append(Array((pair.dropFirst(8).replacing("+", with: " ").removingPercentEncoding ?? "").utf8))
        }
        return given.filter { !$0.isEmpty }
    }
}
