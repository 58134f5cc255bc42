import HTTPTypes
import Hummingbird

/// Keeps the browsers of operators from being used against the API: a page from elsewhere may not change anything, and
/// without a token nobody gets in under a name that only leads here (DNS rebinding).
///
/// Browsers say which page asks (`Origin`, RFC 6454 7; `Sec-Fetch-Site`, W3C Fetch Metadata); everything else says
/// nothing and is not meant.
struct PageGuard: RouterMiddleware {
    /// Whether `Host` has to name this machine itself: without a token there is nothing else to know a caller by, and the
    /// listener is on loopback.
    private var namesOwnHost: Bool { live.configuration.adminToken == nil }
    let live: LiveConfiguration

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        let host = request.head.authority?.lowercased() ?? ""
        // A request to a hub shows a token for itself, under whatever name.
        if namesOwnHost, !Self.isOwn(host), !HubAPI.isOne(request.uri.path) {
            throw APIError(
                status: .forbidden, code: "foreign_host",
                message:
                    "without admin.token, the Host header must be 127.0.0.1, [::1] or localhost; set admin.token to allow other names"
            )
        }
        guard request.method == .get || !Self.isForeign(request, host) else {
            throw APIError(
                status: .forbidden, code: "foreign_page",
                message: "web pages of other origins may not send requests that change something")
        }
        return try await next(request, context)
    }

    private static func isForeign(_ request: Request, _ host: String) -> Bool {
        if let site = request.headers[fetchSite], site != "same-origin", site != "none" { return true }
        guard let origin = request.headers[.origin]?.lowercased() else { return false }
        return origin != "http://\(host)" && origin != "https://\(host)"
    }

    /// `127.0.0.1:8001`, `[::1]:8001`, `localhost`. HTTP/1.0 has none, and no browser speaks it.
    static func isOwn(_ host: String) -> Bool {
        if host.isEmpty { return true }
        let end = host.hasPrefix("[") ? host.firstIndex(of: "]").map(host.index(after:)) : host.firstIndex(of: ":")
        let name = host[..<(end ?? host.endIndex)]
        if name == "localhost" || name == "[::1]" { return true }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    private static let fetchSite = HTTPField.Name("Sec-Fetch-Site")!
}
