import Codec
import Foundation
import HTTPTypes
import Hummingbird
import Reactor

/// Revoking tokens, and what is revoked.
struct RevocationRoutes {
    let node: RunningNode
    let inspector: ClusterInspector

    func add(to api: RouterGroup<AdminContext>) {
        api.post("revocations") { request, context in try await revoke(request, context.audit) }
        api.get("revocations") { request, _ in try list(Query(request, known: ["cursor", "limit"])) }
    }

    private func list(_ query: Query) throws -> Response {
        Response.json(inspector.revocations(after: try query.cursor([UInt8].self), limit: try query.limit()))
    }

    private struct Revoked: Encodable {
        var sessions: Count
        var nodes: NodeCount
        var revocation: RevokedTokens
        var error: MembershipRoutes.Refused?
    }

    private func revoke(_ request: Request, _ audit: AuditNote) async throws -> Response {
        let fields = try await MembershipRoutes.fields(
            request, known: ["user", "token", "all", "issued_until", "expires_at"])
        let revocation = try Self.revocation(
            fields, now: Int64(clamping: WallClock.milliseconds / 1000),
            lifetime: node.configuration.authRevocationLifetime.components.seconds)
        switch revocation.subject {
        case .user(let user): audit.add("user", user.text)
        case .token(let token): audit.add("token", token.text)
        case .everybody: audit.add("all", "true")
        }
        audit.add("issued_until", "\(revocation.issuedUntil)")
        switch await inspector.revoke(revocation) {
        case .failure(.limit):
            throw APIError(
                status: .serviceUnavailable, code: "too_many_revocations",
                message:
                    "the cluster has as many revocations as it may have (limits.revocations): raise the limit, or give 'expires_at' so that they end earlier"
            )
        case .failure(.backplane(let refusal)):
            throw APIError(
                status: .serviceUnavailable, code: "not_revoked", message: "the revocation was not kept: \(refusal)",
                headers: ["Retry-After": "1"])
        case .success((let sessions, let nodes)):
            audit.add("sessions", "\(sessions)")
            var answer = Revoked(sessions: sessions, nodes: nodes, revocation: RevokedTokens(revocation))
            guard !nodes.isComplete else { return .json(answer) }
            answer.error = MembershipRoutes.Refused(
                code: "nodes_missing",
                message:
                    "the revocation is kept, and nodes that did not answer learn of it later; no answer from \((nodes.missing ?? []).joined(separator: ", "))"
            )
            return .json(answer, status: .serviceUnavailable)
        }
    }

    /// - Parameters:
    ///   - now: Seconds since 1970.
    ///   - lifetime: How long a revocation is kept that does not say it, in seconds.
    static func revocation(_ fields: APIFields, now: Int64, lifetime: Int64) throws(APIError) -> Revocation {
        let user = try fields.text("user")
        let token = try fields.text("token")
        let isAll = try fields.flag("all")
        var subjects: [Revocation.Subject] = []
        if let user { subjects.append(.user(ForeignText(user))) }
        if let token { subjects.append(.token(ForeignText(token))) }
        if isAll { subjects.append(.everybody) }
        guard subjects.count == 1, let subject = subjects.first else {
            throw .badRequest(
                "target", "say whose tokens are revoked, in one way: user, token (its jti) or \"all\": true")
        }
        let issuedUntil = try fields.time("issued_until")
        if token != nil, issuedUntil != nil {
            throw .badRequest(
                "invalid_field", "'issued_until' is for user and all: a token is revoked whenever it was issued")
        }
        let until = issuedUntil ?? now
        let end = try fields.time("expires_at") ?? min(Revocation.latestTime, max(now, until) + lifetime)
        guard end > now else { throw .badRequest("invalid_field", "'expires_at' has passed") }
        guard let revocation = Revocation(subject, issuedUntil: until, expiresAt: end) else {
            throw .badRequest(
                "invalid_field",
                "'\(user == nil ? "token" : "user")' has to have 1 to \(Revocation.maximumIDBytes) bytes and no control characters"
            )
        }
        return revocation
    }
}
