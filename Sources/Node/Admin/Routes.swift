import Logging
import Backplane
import Codec
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Reactor

/// The routes of the admin listener.
struct Routes {
    let node: RunningNode
    let inspector: ClusterInspector
    let publisher: any Publisher

    static let publishPath = "/api/v1/publish"

    /// Every route; `{…}` stands for one segment.
    static let all: [(method: String, path: String)] = [
        ("GET", "/"), ("GET", "/page/{file}"), ("GET", "/health/live"), ("GET", "/health/ready"), ("GET", "/metrics"),
        ("GET", "/api/v1/cluster"), ("GET", "/api/v1/nodes/{id}"), ("GET", "/api/v1/channels"),
        ("GET", "/api/v1/channels/{name}"), ("GET", "/api/v1/channels/{name}/history"),
        ("GET", "/api/v1/channels/{name}/presence"), ("GET", "/api/v1/connections"),
        ("GET", "/api/v1/channels/{name}/tail"), ("GET", "/api/v1/connections/{id}"),
        ("GET", "/api/v1/connections/{id}/trace"), ("GET", "/api/v1/series"), ("GET", "/api/v1/recent"),
        ("GET", "/api/v1/problems"),
        ("POST", "/api/v1/connections/{id}/close"), ("POST", "/api/v1/users/{id}/close"),
        ("POST", "/api/v1/connections/{id}/subscribe"), ("POST", "/api/v1/users/{id}/subscribe"),
        ("POST", "/api/v1/connections/{id}/unsubscribe"), ("POST", "/api/v1/users/{id}/unsubscribe"),
        ("POST", "/api/v1/connections/{id}/refresh"), ("POST", "/api/v1/users/{id}/refresh"),
        ("POST", "/api/v1/revocations"), ("GET", "/api/v1/revocations"),
        ("POST", "/api/v1/nodes/{id}/drain"), ("POST", "/api/v1/nodes/{id}/undrain"),
        ("POST", publishPath), ("POST", "/api/v1/publish/batch"), ("GET", "/api/v1/events"), ("GET", "/api/v1/config"),
        ("GET", "/api/v1/config/differences"), ("POST", "/api/v1/config/reload"), ("POST", "/api/v1/config/compare"),
        ("POST", "/api/hubs/{hub}/:send"), ("POST", "/api/hubs/{hub}/:closeConnections"),
        ("POST", "/api/hubs/{hub}/:generateToken"), ("POST", "/api/hubs/{hub}/groups/{group}/:closeConnections"),
        ("GET", "/api/hubs/{hub}/groups/{group}/connections"), ("DELETE", "/api/hubs/{hub}/connections/{id}/groups"),
        ("DELETE", "/api/hubs/{hub}/users/{user}/groups"), ("POST", "/api/hubs/{hub}/{kind}/{name}/:send"),
        ("POST", "/api/hubs/{hub}/users/{user}/:closeConnections"), ("GET", "/api/hubs/{hub}/{kind}/{name}"),
        ("DELETE", "/api/hubs/{hub}/connections/{id}"), ("PUT", "/api/hubs/{hub}/groups/{group}/connections/{id}"),
        ("DELETE", "/api/hubs/{hub}/groups/{group}/connections/{id}"),
        ("PUT", "/api/hubs/{hub}/users/{user}/groups/{group}"),
        ("DELETE", "/api/hubs/{hub}/users/{user}/groups/{group}"),
        ("GET", "/api/hubs/{hub}/users/{user}/groups/{group}"),
        ("GET", "/api/health"), ("GET", "/api/v1/health"),
        ("GET", "/api/v1/webhooks"), ("GET", "/api/v1/webhooks/{id}/letters"),
        ("POST", "/api/v1/webhooks/{id}/resend"), ("POST", "/api/v1/webhooks/{id}/purge"),
        ("POST", "/api/{method}"),
        ("POST", "/api"),
    ]

    /// What is possible at a path; what can be had with GET can with HEAD.
    static func methods(for path: String) -> [String] {
        let segments = path.split(separator: "/")
        return all.filter { route in
            let pattern = route.path.split(separator: "/")
            return pattern.count == segments.count
                && zip(pattern, segments).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
        }.flatMap { $0.method == "GET" && !isEndless(path) ? ["GET", "HEAD"] : [$0.method] }
    }

    /// Whether a response never ends by itself.
    static func isEndless(_ path: String) -> Bool {
        let segments = path.split(separator: "/").map { Array($0.utf8) }
        return endless.contains { pattern in
            pattern.count == segments.count
                && zip(pattern, segments).allSatisfy { $0.isEmpty || $0.elementsEqual($1) }
        }
    }

    /// Their segments; an empty one stands for any.
    private static let endless = [
        ["api", "v1", "events"], ["api", "v1", "channels", "", "tail"], ["api", "v1", "connections", "", "trace"],
    ].map { $0.map { Array($0.utf8) } }

    func add(to router: Router<AdminContext>) {
        AdminPage.add(to: router)
        router.get("/health/live") { _, _ in live() }
        router.get("/health/ready") { _, _ in await ready() }
        router.get("/metrics") { _, _ in
            Response.text(await Prometheus.text(of: node), type: "text/plain; version=0.0.4")
        }
        ServerAPIRoutes(api: ServerAPI(node: node, inspector: inspector, publisher: publisher))
            .add(to: router, ServerAPIKey(node.live))
        HubAPI(node: node, inspector: inspector, publisher: publisher).add(to: router)
        let api = router.group("/api/v1")
        api.get("cluster") { _, _ in Response.json(await inspector.cluster()) }
        api.get("nodes/:id") { _, context in try await oneNode(context.parameters.require("id")) }
        api.get("series") { request, _ in try await series(Query(request, known: ["samples"])) }
        api.get("recent") { request, _ in try await recent(Query(request, known: ["limit"])) }
        api.get("channels") { request, _ in
            try await channels(Query(request, known: ["prefix", "sort", "cursor", "limit"]))
        }
        api.get("channels/:name") { _, context in try await channel(context.parameters.require("name")) }
        api.get("channels/:name/history") { request, context in
            try await history(
                context.parameters.require("name"), Query(request, known: ["since", "limit", "reverse"]))
        }
        api.get("channels/:name/presence") { request, context in
            try await presence(
                context.parameters.require("name"), Query(request, known: ["view", "cursor", "limit"]))
        }
        api.get("connections") { request, _ in
            try await connections(
                Query(
                    request,
                    known: ["channel", "node", "user", "address", "dialect", "sort", "cursor", "limit"]))
        }
        api.get("connections/:id") { request, context in
            try await connection(context.parameters.require("id"), Query(request, known: ["cursor", "limit"]))
        }
        api.post("connections/:id/close") { request, context in
            try await close(context.parameters.require("id"), request)
        }
        api.post("users/:id/close") { request, context in
            try await closeUser(context.parameters.require("id"), request, context.audit)
        }
        MembershipRoutes(node: node, inspector: inspector).add(to: api)
        RevocationRoutes(node: node, inspector: inspector).add(to: api)
        BatchRoutes(node: node, inspector: inspector, publisher: publisher).add(to: api)
        api.post("nodes/:id/drain") { _, context in
            try await drain(context.parameters.require("id"), context.audit)
        }
        api.post("nodes/:id/undrain") { _, context in
            try await undrain(context.parameters.require("id"), context.audit)
        }
        api.post("publish") { request, context in try await publish(request, context.audit) }
        api.get("events") { request, context in
            try EventStream(node: node, kinds: Query(request, known: ["kinds"])["kinds"])
                .response(to: request, on: context.channel)
        }
        api.get("channels/:name/tail") { request, context in
            _ = try Query(request, known: [])
            return try TailStream(node: node, name: Self.channel(context.parameters.require("name")))
                .response(to: request, on: context.channel)
        }
        api.get("connections/:id/trace") { request, context in
            let query = try Query(request, known: ["seconds"])
            let id = try Self.connection(context.parameters.require("id"))
            // It shows what a client says, so it is known who looked.
            context.audit.add(.action)
            let trace = TraceStream(
                node: node, inspector: inspector, id: id,
                seconds: try query.number("seconds", 1...Traces.maximumSeconds, default: 60))
            return try await trace.response(to: request, on: context.channel)
        }
        api.get("config/differences") { request, _ in
            _ = try Query(request, known: [])
            return Response.json(await inspector.configurationDifferences())
        }
        api.get("problems") { request, _ in
            _ = try Query(request, known: [])
            return Response.json(await inspector.problems())
        }
        api.get("config") { request, _ in try configuration(Query(request, known: ["origins"])) }
    }

    /// A node of which a reactor is stuck has to be restarted.
    private func live() -> Response {
        guard let stuck = node.watch.stuck else { return Response.text("live\n", type: "text/plain") }
        return Response.text(
            "not live: \(stuck.name) has not turned for \(stuck.since.components.seconds) s\n", type: "text/plain",
            status: .serviceUnavailable)
    }

    private func ready() async -> Response {
        let phase = node.draining.phase
        guard phase == .serving else {
            return Response.text(
                "not ready: \(phase == .drained ? "drained" : "draining")\n", type: "text/plain",
                status: .serviceUnavailable)
        }
        let link = await inspector.linkState
        if link.isReady {
            // Clients with tokens would be told to try again.
            guard node.revocations.isRead || node.configuration.authKeys.isEmpty else {
                return Response.text(
                    "not ready: the revoked tokens are not read yet\n", type: "text/plain", status: .serviceUnavailable)
            }
            return Response.text("ready\n", type: "text/plain")
        }
        return Response.text(
            "not ready: \(link.phase.rawValue)\(link.reason.map { ": \($0)" } ?? "")\n", type: "text/plain",
            status: .serviceUnavailable)
    }

    private func oneNode(_ name: String) async throws -> Response {
        Response.json(try await entry(ofNode: name))
    }

    /// The answer comes at once; how far it is, the node says in its summary.
    private func drain(_ name: String, _ audit: AuditNote) async throws -> Response {
        let entry = try await entry(ofNode: name)
        audit.add("node", entry.name)
        guard let id = NodeID(entry.id), await inspector.drain(id) else {
            throw APIError(
                status: .serviceUnavailable, code: "node_unreachable", message: "node \(entry.name) did not answer")
        }
        return Response.json(["draining": entry.id])
    }

    private func undrain(_ name: String, _ audit: AuditNote) async throws -> Response {
        let entry = try await entry(ofNode: name)
        audit.add("node", entry.name)
        guard let id = NodeID(entry.id), case let result = await inspector.undrain(id), result.answered else {
            throw APIError(
                status: .serviceUnavailable, code: "node_unreachable", message: "node \(entry.name) did not answer")
        }
        if let reason = result.reason {
            throw APIError(
                status: .conflict, code: "not_undrained",
                message: "node \(entry.name) cannot serve again: \(reason)")
        }
        return Response.json(["serving": entry.id])
    }

    private func entry(ofNode name: String) async throws -> NodeEntry {
        let report = await inspector.cluster()
        let name = name.removingPercentEncoding ?? name
        let found = report.cluster.filter { $0.id == name || $0.name.utf8.elementsEqual(name.utf8) }
        guard found.count < 2 else {
            throw APIError(
                status: .conflict, code: "ambiguous_node",
                message: "several nodes have this name: use an id, \(found.map(\.id).joined(separator: " or "))")
        }
        guard let entry = found.first else {
            throw APIError(
                status: .notFound, code: "unknown_node",
                message: "no node has this id or name; known are \(report.cluster.map(\.name).joined(separator: ", "))")
        }
        return entry
    }

    static func channel(_ encoded: String) throws -> ChannelName {
        let name = encoded.removingPercentEncoding ?? encoded
        do {
            return try ChannelName(validating: Array(name.utf8))
        } catch {
            throw APIError.badRequest("invalid_channel", "\(error)")
        }
    }

    private func presence(_ encoded: String, _ query: Query) async throws -> Response {
        let channel = try Self.channel(encoded)
        guard node.live.rules.rule(for: channel).presence != nil else {
            throw APIError(
                status: .notFound, code: "no_presence",
                message: "channel '\(channel)' has no presence: add presence: true to its rule")
        }
        guard let view = PresenceQuery.View(rawValue: query["view"] ?? "clients") else {
            throw APIError.badRequest("invalid_parameter", "'view' has to be clients, users or count")
        }
        let after = try query.cursor(Data.self).map { Array($0) }
        guard after.map({ PresenceQuery.isPlace($0, in: view) }) ?? true else {
            throw APIError.badRequest("invalid_parameter", "'cursor' has to be the cursor of the previous page")
        }
        let asked = PresenceQuery(channel: channel, view: view, after: after, limit: try query.limit())
        switch await inspector.presence(asked) {
        case .failure(let refusal):
            throw APIError(
                status: .serviceUnavailable, code: "unavailable", message: "\(refusal)", headers: ["Retry-After": "1"])
        case .success(let page): return Response.json(PresenceReport(page, asked))
        }
    }

    private func history(_ encoded: String, _ query: Query) async throws -> Response {
        let channel = try Self.channel(encoded)
        var since: Position?
        if let text = query["since"] {
            guard let position = Position(text) else {
                throw APIError.badRequest(
                    "invalid_parameter", "'since' has to be a position from the response of publish or history")
            }
            since = position
        }
        guard ["true", "false", nil].contains(query["reverse"]) else {
            throw APIError.badRequest("invalid_parameter", "'reverse' has to be true or false")
        }
        let isReverse = query["reverse"] == "true"
        switch await inspector.history(of: channel, since: since, limit: try query.limit(), isReverse: isReverse) {
        case nil:
            throw APIError(
                status: .notFound, code: "no_history",
                message: "channel '\(channel)' has no history: add history: { size: …, ttl: … } to its rule")
        case .failure(let refusal):
            throw APIError(
                status: .serviceUnavailable, code: "unavailable", message: "\(refusal)", headers: ["Retry-After": "1"])
        case .success(let page): return Response.json(HistoryReport(page))
        }
    }

    /// What a closed session is told; a body may say it.
    private static func farewell(_ fields: APIFields) throws(APIError) -> (code: UInt16, reason: String) {
        let reason = try fields.text("reason") ?? "closed by an operator"
        guard reason.utf8.count <= 123 else { throw .badRequest("invalid_field", "'reason' has at most 123 bytes") }
        let number = try fields.unsigned("code") ?? 4000
        guard let code = UInt16(exactly: number), (4000...4999).contains(code) else {
            throw .badRequest("invalid_field", "'code' has to be 4000 to 4999")
        }
        return (code, reason)
    }

    private func close(_ text: String, _ request: Request) async throws -> Response {
        let id = try Self.connection(text)
        let (code, reason) = try Self.farewell(await MembershipRoutes.fields(request, known: ["code", "reason"]))
        let result = await inspector.close(id, code: code, reason: reason)
        guard result.nodes.answered == result.nodes.asked else { throw Self.unreachable(id) }
        guard result.found else { throw Self.unknown }
        return Response.json(["closed": id.description])
    }

    private func closeUser(_ encoded: String, _ request: Request, _ audit: AuditNote) async throws -> Response {
        let user = try MembershipRoutes.user(encoded)
        let (code, reason) = try Self.farewell(await MembershipRoutes.fields(request, known: ["code", "reason"]))
        let result = await inspector.close(user: user, code: code, reason: reason)
        audit.add("user", user.text)
        audit.add("sessions", "\(result.sessions)")
        var answer = UserClosed(closed: result.sessions, nodes: result.nodes)
        guard !result.nodes.isComplete else { return Response.json(answer) }
        answer.error = MembershipRoutes.incomplete(result.nodes)
        return Response.json(answer, status: .serviceUnavailable)
    }

    private struct UserClosed: Encodable {
        var closed: Count
        var nodes: NodeCount
        var error: MembershipRoutes.Refused?
    }

    private func publish(_ request: Request, _ audit: AuditNote) async throws -> Response {
        if let type = request.headers[.contentType], !type.lowercased().hasPrefix("application/json") {
            throw APIError(
                status: .unsupportedMediaType, code: "media_type", message: "send application/json")
        }
        // Base64 is a third larger, and JSON may escape each byte.
        let limit = node.configuration.messageBytes * 6 + AdminServer.bodyOverhead
        let body = try await request.body.collect(upTo: limit)
        var parsed = try PublishRequest.parse(
            Array(body.readableBytesView), messageBytes: node.configuration.messageBytes)
        parsed.target = await inspector.located(parsed.target)
        let channels = parsed.channels
        audit.add("channel", channels[0].description)
        if channels.count > 1 { audit.add("channels", "\(channels.count)") }
        audit.add("bytes", "\(parsed.payload.count)")
        let outcomes = await publisher.publish(parsed.order)
        var positions: [(channel: ChannelName, position: Position)] = []
        for (channel, outcome) in zip(channels, outcomes) {
            switch outcome {
            case .accepted(let position?): positions.append((channel, position))
            case .accepted(nil): break
            case .refused(let refusal):
                throw APIError(
                    status: .serviceUnavailable, code: "not_published", message: "'\(channel)': \(refusal)",
                    headers: ["Retry-After": "1"])
            }
        }
        return Self.published(channels.count, positions)
    }

    /// The answer to a publication that was accepted everywhere, without a line end.
    static func writePublished(_ channels: [ChannelName], _ outcomes: [PublishOutcome], to writer: ByteWriter) {
        let positions = zip(channels, outcomes).compactMap {
            channel, outcome -> (channel: ChannelName, position: Position)? in
            if case .accepted(let position?) = outcome { (channel, position) } else { nil }
        }
        write(channels.count, positions, to: writer)
    }

    /// `{"published":2,"positions":{"a":"4f3c2b1a09876543:17"}}`; positions where history is kept. Not by way of a dictionary, as
    /// Foundation does it: two names that Unicode has for equal are two channels.
    private static func published(_ count: Int, _ positions: [(channel: ChannelName, position: Position)]) -> Response {
        let writer = ByteWriter(capacity: 64 + positions.count * 64)
        write(count, positions, to: writer)
        writer.append("\n")
        return Response.text(String(decoding: writer.bytes, as: UTF8.self), type: "application/json")
    }

    private static func write(
        _ count: Int, _ positions: [(channel: ChannelName, position: Position)], to writer: ByteWriter
    ) {
        if !positions.isEmpty {
            for (index, entry) in positions.enumerated() {
                writer.append(index == 0 ? "{\"positions\":{" : ",")
                JSONWriter.writeString(entry.channel.description, to: writer)
                writer.append(":")
                JSONWriter.writeString(entry.position.description, to: writer)
            }
            writer.append("},")
        } else {
            writer.append("{")
        }
        writer.append("\"published\":")
        writer.append(text: "\(count)")
        writer.append("}")
    }

    private func configuration(_ query: Query) throws -> Response {
        guard ["true", "false", nil].contains(query["origins"]) else {
            throw APIError.badRequest("invalid_parameter", "'origins' has to be true or false")
        }
        if query["origins"] == "true" { return Response.json(node.configuration.effectiveWithPlaces) }
        return Response.json(Dictionary(uniqueKeysWithValues: node.configuration.effective.map { ($0.path, $0.value) }))
    }
}
