import HTTPTypes
import Hummingbird

/// Asks for the token where one is set; health and metrics too, since they tell about the cluster.
struct TokenCheck: RouterMiddleware {
    let token: String?

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
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
