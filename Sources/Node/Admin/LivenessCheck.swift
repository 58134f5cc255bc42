import HTTPTypes
import Hummingbird

/// Asks nothing of a node of which a reactor is stuck: the answer would never come, and callers would wait.
struct LivenessCheck: RouterMiddleware {
    let watch: ReactorWatch

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        guard let stuck = watch.stuck, !Self.isAnsweredAnyway(request.uri.path) else {
            return try await next(request, context)
        }
        throw APIError(
            status: .serviceUnavailable, code: "stuck",
            message: "\(stuck.name) has not turned for \(stuck.since.components.seconds) s: restart this node")
    }

    private static func isAnsweredAnyway(_ path: String) -> Bool { path == "/" || path == "/health/live" }
}
