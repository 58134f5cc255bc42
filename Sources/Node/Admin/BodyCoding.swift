import HTTPTypes
import Hummingbird

/// Refuses bodies that are compressed: nothing here unpacks them (RFC 9110 12.5.3, 15.5.16).
struct BodyCoding: RouterMiddleware {
    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        if let coding = request.headers[.contentEncoding], coding.lowercased() != "identity" {
            throw APIError(
                status: .unsupportedMediaType, code: "content_encoding",
                message: "the body is compressed (Content-Encoding: \(coding.prefix(32))): send it as it is",
                headers: ["Accept-Encoding": "identity"])
        }
        return try await next(request, context)
    }
}
