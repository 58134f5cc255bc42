import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// The routes that read the configuration again, and that say what this would change.
struct ReloadRoutes {
    let node: RunningNode
    let reloads: Reloads

    /// The largest body of a comparison, in bytes: the values of a configuration, which has at most 1 MiB.
    private static let comparisonBytes = 4 << 20

    func add(to router: Router<AdminContext>) {
        let configuration = router.group("/api/v1/config")
        configuration.post("reload") { _, context in await reload(context.audit) }
        configuration.post("compare") { request, _ in try await compare(request) }
    }

    private func reload(_ audit: AuditNote) async -> Response {
        do throws(ReloadRefusal) {
            let report = try await reloads.reload(cause: "POST /api/v1/config/reload")
            for field in report.auditFields { audit.add(field.name, field.text) }
            return Response.json(report)
        } catch {
            audit.add("problems", "\(error.problems.count)")
            return Response.json(Refused(error), status: .unprocessableContent)
        }
    }

    /// The shape of all refusals, and each problem with its place.
    private struct Refused: Encodable {
        struct Problem: Encodable {
            let source: String
            let line: Int?
            let column: Int?
            let message: String
        }
        struct Inner: Encodable {
            let code = "invalid_configuration"
            let message: String
            let problems: [Problem]
        }
        let error: Inner

        init(_ refusal: ReloadRefusal) {
            error = Inner(
                message: "nothing has changed: \(refusal)",
                problems: refusal.problems.map {
                    Problem(source: $0.source, line: $0.line, column: $0.column, message: $0.message)
                })
        }
    }

    /// What a configuration would change that `carillon check --against` has read.
    private struct Comparison: Decodable {
        /// Hexadecimal digits: the key of the digests that stand for secrets.
        let nonce: String
        let entries: [ConfigurationEntry]
    }

    /// Secrets are compared by digests that the caller made with a key of its own. The node says whether they are the same, and not more:
    /// so nobody gets a digest out of it to try secrets against.
    private func compare(_ request: Request) async throws -> Response {
        let body = try await request.body.collect(upTo: Self.comparisonBytes)
        guard let asked = JSON.decode(Comparison.self, from: Array(body.readableBytesView)),
            (32...128).contains(asked.nonce.utf8.count)
        else {
            throw APIError.badRequest(
                "invalid_comparison",
                "send what carillon check --against sends: nonce (32 to 128 characters) and entries")
        }
        let inForce = node.configuration.entries(nonce: Array(asked.nonce.utf8))
        return Response.json(
            ComparisonReport(
                node: node.name, changed: ConfigurationDifference.changes(from: inForce, to: asked.entries)))
    }
}

/// What a reload would change on a node.
package struct ComparisonReport: Codable, Sendable {
    package let node: String
    package let changed: [ConfigurationChange]
}
