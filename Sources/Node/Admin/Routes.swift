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

    static let publishPath = "/api/v1/publish"

    /// Every route; `{…}` stands for one segment.
    static let all: [(method: String, path: String)] = [
        ("GET", "/"), ("GET", "/health/live"), ("GET", "/health/ready"), ("GET", "/metrics"),
        ("GET", "/api/v1/cluster"), ("GET", "/api/v1/nodes/{id}"), ("GET", "/api/v1/channels"),
        ("GET", "/api/v1/channels/{name}"), ("GET", "/api/v1/channels/{name}/history"),
        ("GET", "/api/v1/channels/{name}/presence"), ("GET", "/api/v1/connections"),
        ("POST", "/api/v1/connections/{id}/close"), ("POST", "/api/v1/users/{id}/close"),
        ("POST", "/api/v1/nodes/{id}/drain"),
        ("POST", publishPath), ("GET", "/api/v1/config"),
    ]

    /// What is possible at a path.
    static func methods(for path: String) -> [String] {
        let segments = path.split(separator: "/")
        return all.filter { route in
            let pattern = route.path.split(separator: "/")
            return pattern.count == segments.count
                && zip(pattern, segments).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
        }.map(\.method)
    }

    func add(to router: Router<AdminContext>) {
        router.get("/") { _, _ in
            var page = Response.text(AdminPage.html, type: "text/html; charset=utf-8")
            page.headers[.contentSecurityPolicy] = AdminPage.policy
            return page
        }
        router.get("/health/live") { _, _ in Response.text("live\n", type: "text/plain") }
        router.get("/health/ready") { _, _ in await ready() }
        router.get("/metrics") { _, _ in
            Response.text(await Prometheus.text(of: node), type: "text/plain; version=0.0.4")
        }
        let api = router.group("/api/v1")
        api.get("cluster") { _, _ in Response.json(await inspector.cluster()) }
        api.get("nodes/:id") { _, context in try await oneNode(context.parameters.require("id")) }
        api.get("channels") { request, _ in try await channels(Query(request, known: ["prefix", "cursor", "limit"])) }
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
            try await connections(Query(request, known: ["channel", "node", "user", "sort", "cursor", "limit"]))
        }
        api.post("connections/:id/close") { _, context in try await close(context.parameters.require("id")) }
        api.post("users/:id/close") { _, context in
            try await closeUser(context.parameters.require("id"), context.audit)
        }
        api.post("nodes/:id/drain") { _, context in
            try await drain(context.parameters.require("id"), context.audit)
        }
        api.post("publish") { request, context in try await publish(request, context.audit) }
        api.get("config") { _, _ in configuration() }
    }

    private func ready() async -> Response {
        let phase = node.draining.phase
        guard phase == .serving else {
            return Response.text(
                "not ready: \(phase == .drained ? "drained" : "draining")\n", type: "text/plain",
                status: .serviceUnavailable)
        }
        let link = await inspector.linkState
        guard link.phase != .linked else { return Response.text("ready\n", type: "text/plain") }
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

    private func entry(ofNode name: String) async throws -> NodeEntry {
        let report = await inspector.cluster()
        let name = name.removingPercentEncoding ?? name
        guard let entry = report.cluster.first(where: { $0.id == name || $0.name == name }) else {
            throw APIError(
                status: .notFound, code: "unknown_node",
                message: "no node has this id or name; known are \(report.cluster.map(\.name).joined(separator: ", "))")
        }
        return entry
    }

    private func channels(_ query: Query) async throws -> Response {
        let after = try query.cursor(String.self)
        var page = await inspector.channels(
            prefix: query["prefix"] ?? "", after: after, limit: try query.limit())
        page.cursor = page.cursor.map(PageCursor.encode)
        return Response.json(page)
    }

    private func channel(_ encoded: String) async throws -> Response {
        let name = encoded.removingPercentEncoding ?? encoded
        if let objection = ChannelName.objection(to: Array(name.utf8)), name != "$all" {
            throw APIError.badRequest("invalid_channel", "\(objection)")
        }
        return Response.json(await inspector.channel(name))
    }

    private static func channel(_ encoded: String) throws -> ChannelName {
        let name = encoded.removingPercentEncoding ?? encoded
        do {
            return try ChannelName(validating: Array(name.utf8))
        } catch {
            throw APIError.badRequest("invalid_channel", "\(error)")
        }
    }

    private func presence(_ encoded: String, _ query: Query) async throws -> Response {
        let channel = try Self.channel(encoded)
        guard ChannelRules(node.configuration.channels).rule(for: channel).presence != nil else {
            throw APIError(
                status: .notFound, code: "no_presence",
                message: "it is not known who is in '\(channel)': its rule would have to have presence: true")
        }
        guard let view = PresenceQuery.View(rawValue: query["view"] ?? "clients") else {
            throw APIError.badRequest("invalid_parameter", "'view' has to be clients, users or count")
        }
        let asked = PresenceQuery(
            channel: channel, view: view, after: try query.cursor(Data.self).map { Array($0) }, limit: try query.limit()
        )
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
                    "invalid_parameter", "'since' has to be a position, as publish and history give it")
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
                message: "nothing is kept of '\(channel)': its rule would have to have history: { size: …, ttl: … }")
        case .failure(let refusal):
            throw APIError(
                status: .serviceUnavailable, code: "unavailable", message: "\(refusal)", headers: ["Retry-After": "1"])
        case .success(let page): return Response.json(HistoryReport(page))
        }
    }

    private func connections(_ query: Query) async throws -> Response {
        var sort = ConnectionSort.id
        if let text = query["sort"] {
            guard let known = ConnectionSort(rawValue: text) else {
                throw APIError.badRequest("invalid_parameter", "'sort' has to be id or backlog")
            }
            sort = known
        }
        if let node = query["node"], NodeID(node) == nil {
            throw APIError.badRequest("invalid_parameter", "'node' has to be a node's id: 16 hexadecimal digits")
        }
        return Response.json(
            await inspector.connections(
                ConnectionQuery(
                    channel: query["channel"], node: query["node"], user: query["user"], sort: sort,
                    cursor: try query.cursor(ConnectionCursor.self), limit: try query.limit())))
    }

    private func close(_ text: String) async throws -> Response {
        guard let id = SessionID(text) else {
            throw APIError.badRequest("invalid_connection", "this is not the id of a connection")
        }
        let result = await inspector.close(id, code: 4000, reason: "closed by an operator")
        guard result.nodes.answered == result.nodes.asked else {
            throw APIError(
                status: .serviceUnavailable, code: "node_unreachable",
                message: "the connection's node \(id.node) is gone or did not answer")
        }
        guard result.found else {
            throw APIError(
                status: .notFound, code: "unknown_connection", message: "its node has no such connection any more")
        }
        return Response.json(["closed": id.description])
    }

    private func closeUser(_ encoded: String, _ audit: AuditNote) async throws -> Response {
        let user = encoded.removingPercentEncoding ?? encoded
        guard ChannelName.user(user) != nil else {
            throw APIError.badRequest("invalid_user", "this is not the id of a user")
        }
        let result = await inspector.close(user: user, code: 4000, reason: "closed by an operator")
        audit.add("user", user)
        audit.add("sessions", "\(result.sessions)")
        return Response.json(UserClosed(closed: result.sessions, nodes: result.nodes))
    }

    private struct UserClosed: Encodable {
        var closed: Int
        var nodes: NodeCount
    }

    private func publish(_ request: Request, _ audit: AuditNote) async throws -> Response {
        if let type = request.headers[.contentType], !type.lowercased().hasPrefix("application/json") {
            throw APIError(
                status: .unsupportedMediaType, code: "media_type", message: "send application/json")
        }
        // Base64 is a third larger, and JSON may escape each byte.
        let limit = node.configuration.messageBytes * 6 + AdminServer.bodyOverhead
        let body = try await request.body.collect(upTo: limit)
        let parsed = try PublishRequest.parse(
            Array(body.readableBytesView), messageBytes: node.configuration.messageBytes)
        let channels: [ChannelName] =
            switch parsed.target {
            case .channels(let names): names
            case .user(let name): [name]
            case .connection(let id): [.connection(id)]
            case .all: [.all]
            }
        let extras =
            parsed.except.isEmpty && parsed.idempotencyKey == nil
            ? nil : Publication.Extras(idempotencyKey: parsed.idempotencyKey, except: parsed.except)
        audit.add("channel", channels[0].description)
        if channels.count > 1 { audit.add("channels", "\(channels.count)") }
        audit.add("bytes", "\(parsed.payload.count)")
        var published = Published(published: channels.count)
        for channel in channels {
            let outcome = await inspector.publish(
                Publication(
                    channel: channel, kind: parsed.kind, payload: parsed.payload, origin: node.id, extras: extras))
            switch outcome {
            case .accepted(let position?):
                if published.positions == nil { published.positions = [:] }
                published.positions?[channel.description] = position.description
            case .accepted(nil): break
            case .refused(let refusal):
                throw APIError(
                    status: .serviceUnavailable, code: "not_published", message: "'\(channel)': \(refusal)",
                    headers: ["Retry-After": "1"])
            }
        }
        return Response.json(published)
    }

    private struct Published: Encodable {
        var published: Int
        /// By channel, where history is kept.
        var positions: [String: String]?
    }

    private func configuration() -> Response {
        Response.json(Dictionary(uniqueKeysWithValues: node.configuration.effective.map { ($0.path, $0.value) }))
    }
}

/// Query parameters, strictly.
private struct Query {
    private let values: [String: String]

    init(_ request: Request, known: [String]) throws {
        var values: [String: String] = [:]
        // By hand, because a '+' is a space here (application/x-www-form-urlencoded), which the framework leaves.
        for pair in (request.uri.query ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let texts = parts.map { $0.replacing("+", with: " ").removingPercentEncoding }
            guard let first = texts.first, let name = first, let value = texts.count > 1 ? texts[1] : "" else {
                throw APIError.badRequest("invalid_parameter", "the query is not percent-encoded UTF-8")
            }
            guard known.contains(name) else {
                throw APIError.badRequest(
                    "unknown_parameter",
                    "unknown parameter '\(name.prefix(64))'; known are \(known.joined(separator: ", "))")
            }
            values[name] = value
        }
        self.values = values
    }

    subscript(name: String) -> String? { values[name] }

    func limit() throws -> Int {
        guard let text = values["limit"] else { return 100 }
        guard let limit = Int(text), (1...ClusterInspector.maximumPage).contains(limit) else {
            throw APIError.badRequest(
                "invalid_parameter", "'limit' has to be 1 to \(ClusterInspector.maximumPage)")
        }
        return limit
    }

    func cursor<Cursor: Decodable>(_ type: Cursor.Type) throws -> Cursor? {
        guard let text = values["cursor"] else { return nil }
        guard let cursor = PageCursor.decode(text, as: type) else {
            throw APIError.badRequest("invalid_parameter", "'cursor' has to be what the page before gave")
        }
        return cursor
    }
}
