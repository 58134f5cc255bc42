import Backplane
import Codec
import Foundation
import HTTPTypes
import Hummingbird

/// Several publications in one request: `{"publications":[{"channel":"a","data":1},…]}`, each as in `POST /api/v1/publish`.
struct BatchRoutes {
    let node: RunningNode
    let inspector: ClusterInspector
    let publisher: any Publisher

    /// Publications of one request.
    static let maximum = 1000
    /// Bytes of a body.
    static let bodyBytes = 16 << 20

    func add(to api: RouterGroup<AdminContext>) {
        api.post("publish/batch") { request, context in try await publish(request, context.audit) }
    }

    private func publish(_ request: Request, _ audit: AuditNote) async throws -> Response {
        if let type = request.headers[.contentType], !type.lowercased().hasPrefix("application/json") {
            throw APIError(status: .unsupportedMediaType, code: "media_type", message: "send application/json")
        }
        let limit = max(Self.bodyBytes, node.configuration.messageBytes * 6 + AdminServer.bodyOverhead)
        let body = try await request.body.collect(upTo: limit)
        var publications = try Self.parse(
            Array(body.readableBytesView), messageBytes: node.configuration.messageBytes)
        for index in publications.indices {
            publications[index].target = await inspector.located(publications[index].target)
        }
        audit.add(.publication)
        audit.add("publications", "\(publications.count)")
        let outcomes = await publisher.publish(publications.map(\.order))
        return Self.response(zip(publications, outcomes).map { ($0.channels, $1) })
    }

    /// All of them are understood, or none is published.
    static func parse(_ body: [UInt8], messageBytes: Int) throws(APIError) -> [PublishRequest] {
        let fields = try APIFields(body, known: ["publications"])
        guard let list = try fields.list("publications"), (1...maximum).contains(list.count) else {
            throw .badRequest("invalid_field", "'publications' has to be a list of 1 to \(maximum) publications")
        }
        var requests: [PublishRequest] = []
        for (index, raw) in list.enumerated() {
            do throws(APIError) {
                requests.append(try PublishRequest.parse(raw, messageBytes: messageBytes))
            } catch {
                throw APIError(
                    status: error.status, code: error.code, message: "publications[\(index)]: \(error.message)")
            }
        }
        return requests
    }

    /// `{"published":2,"results":[{"published":1},{"error":{…}}]}`, in the order of the list. Not by way of Foundation, for which two
    /// names that Unicode has for equal are one.
    private static func response(_ results: [(channels: [ChannelName], outcomes: [PublishOutcome])]) -> Response {
        let writer = ByteWriter(capacity: 64 + results.count * 64)
        var published = 0
        var refused = 0
        writer.append("{\"results\":[")
        for (index, result) in results.enumerated() {
            if index > 0 { writer.append(",") }
            let refusal = result.outcomes.lazy.compactMap { outcome in
                if case .refused(let refusal) = outcome { refusal } else { nil }
            }.first
            if let refusal {
                refused += 1
                writer.append("{\"error\":{\"code\":\"not_published\",\"message\":")
                JSONWriter.writeString("\(refusal)", to: writer)
                writer.append("}}")
            } else {
                published += 1
                Routes.writePublished(result.channels, result.outcomes, to: writer)
            }
        }
        writer.append("],\"published\":")
        writer.append(text: "\(published)")
        writer.append("}\n")
        return Response.text(
            String(decoding: writer.bytes, as: UTF8.self), type: "application/json",
            status: published == 0 && refused > 0 ? .serviceUnavailable : .ok)
    }
}
