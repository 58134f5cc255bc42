import HTTPTypes
import Hummingbird
import Logging

/// Gives every refusal the API's shape, and says what is there when somebody asks for what is not.
struct ErrorShape: RouterMiddleware {
    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
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
            status: status, code: "body_too_large", message: "the request body is too large")
    }

    private func unknownPath(_ request: Request) -> APIError {
        let allowed = Routes.methods(for: request.uri.path)
        if !allowed.isEmpty {
            return APIError(
                status: .methodNotAllowed, code: "method_not_allowed",
                message: "\(request.method) is not allowed here; allowed are \(allowed.joined(separator: ", "))",
                headers: ["Allow": allowed.joined(separator: ", ")])
        }
        return APIError(
            status: .notFound, code: "unknown_path",
            message: "unknown path; known are \(Routes.all.map(\.path).joined(separator: ", "))")
    }
}
