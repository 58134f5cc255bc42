import HTTPTypes
import Hummingbird
import Logging

/// Logs who changed what: one line for every call that is not GET, whatever became of it, and for every wrong token.
struct AuditTrail: RouterMiddleware {
    private let mode: Configuration.AuditMode
    /// Never left out: whoever is allowed to change things answers for each of them.
    private let audit: Logger
    /// For those who are not allowed to do anything, and so must not be able to fill the log.
    private let log: Logger

    init(node: RunningNode) {
        mode = node.configuration.audit
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
        guard isRefused || isRecorded(request) else { return response }
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

    private func isRecorded(_ request: Request) -> Bool {
        switch mode {
        case .off: false
        case .actions: request.method != .get && request.uri.path != Routes.publishPath
        case .all: request.method != .get
        }
    }
}
