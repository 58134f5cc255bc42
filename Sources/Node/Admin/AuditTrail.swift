import HTTPTypes
import Hummingbird
import Logging

/// Logs who changed what: one line for every call that is more than a question, whatever became of it, and for every wrong
/// token.
struct AuditTrail: RouterMiddleware {
    private var mode: Configuration.AuditMode { live.configuration.audit }
    private let live: LiveConfiguration
    /// Never left out: whoever is allowed to change things answers for each of them.
    private let audit: Logger
    /// For those who are not allowed to do anything, and so must not be able to fill the log.
    private let log: Logger

    init(node: RunningNode) {
        live = node.live
        log = node.log
        var audit = Logger(label: LineLogHandler.auditLabel)
        audit.logLevel = .notice
        self.audit = audit
    }

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        let response = try await next(request, context)
        let isRefused = response.status == .unauthorized
        guard isRefused || isRecorded(request, context.audit) else { return response }
        var fields: Logger.Metadata = [
            "caller": "\(context.caller)", "status": "\(response.status.code)",
        ]
        for (name, value) in context.audit.all { fields[name] = "\(value)" }
        if isRefused {
            log.warning("audit: wrong token, \(request.method) \(request.uri.path)", metadata: fields)
        } else {
            audit.notice("audit: \(request.method) \(request.uri.path)", metadata: fields)
        }
        return response
    }

    private func isRecorded(_ request: Request, _ note: AuditNote) -> Bool {
        guard note.kind.map({ $0 != .question }) ?? (request.method != .get) else { return false }
        return switch mode {
        case .off: false
        case .actions: request.uri.path != Routes.publishPath && note.kind != .publication
        case .all: true
        }
    }
}
