import HTTPTypes
import Hummingbird

/// Asks for the token where one is set; for metrics too, since they tell about the cluster. Not for health, and not for the page
/// and its files: it tells nothing by itself, and asks for the token that it then sends to the API. The server API has keys of its own
/// (`ServerAPIKey`), and so has that of hubs (`HubAPI`).
struct TokenCheck: RouterMiddleware {
    let live: LiveConfiguration

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        guard let token = live.configuration.adminToken, !Self.isOpen(request.uri.path),
            !Self.isServerAPI(request.uri.path), !HubAPI.isOne(request.uri.path)
        else {
            return try await next(request, context)
        }
        let given = Self.credentials("bearer", in: request.headers[.authorization] ?? "")
        guard Self.isEqual(given, Array(token.utf8)) else {
            throw APIError(
                status: .unauthorized, code: "unauthorized", message: "send the header Authorization: Bearer TOKEN",
                headers: ["WWW-Authenticate": "Bearer realm=\"carillon\""])
        }
        return try await next(request, context)
    }

    private static func isOpen(_ path: String) -> Bool {
        path == "/" || path.hasPrefix(AdminPage.folder) || path.hasPrefix("/health/")
    }

    /// Whatever is taken for it without being it finds no route, or one that asks for a key.
    private static func isServerAPI(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        return parts.first == "api" && parts.count <= 2
    }

    /// What a header says for a scheme; empty when it has another one. The scheme is taken in any case (RFC 9110 11.1).
    ///
    /// - Parameter scheme: In lower case.
    static func credentials(_ scheme: String, in value: String) -> [UInt8] {
        let bytes = Array(value.utf8)
        let prefix = Array("\(scheme) ".utf8)
        guard bytes.count > prefix.count,
            bytes[..<prefix.count].elementsEqual(prefix, by: { $0 == $1 || $0 | 0x20 == $1 && $0 != $1 })
        else { return [] }
        return Array(bytes[prefix.count...].drop { $0 == UInt8(ascii: " ") })
    }

    /// In a time that depends on the lengths only.
    static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        var difference = left.count ^ right.count
        for index in right.indices { difference |= Int(right[index] ^ (index < left.count ? left[index] : 0xFF)) }
        return difference == 0
    }
}
