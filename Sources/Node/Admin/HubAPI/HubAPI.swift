import Authentication
import Backplane
import Codec
import Foundation
import HTTPTypes
import Hummingbird
import Reactor

/// The REST data plane of hubs, as applications of the Azure SignalR Service call it: sending, groups, existence, closing. A hub's
/// access key opens it and nothing else of the admin port.
struct HubAPI {
    let node: RunningNode
    let inspector: ClusterInspector
    let publisher: any Publisher

    /// Whether a path is one of this API: `/api/hubs/…` or `/api/v1/hubs/…`. Requests to it show a token of their own.
    static func isOne(_ path: String) -> Bool { path.hasPrefix("/api/hubs/") || path.hasPrefix("/api/v1/hubs/") }

    func add(to router: Router<AdminContext>) {
        for method in [HTTPRequest.Method.get, .post, .put, .delete] {
            for path in ["/api/hubs/**", "/api/v1/hubs/**"] {
                router.on(RouterPath(path), method: method) { request, context in
                    try await answer(request, context.audit)
                }
            }
        }
        router.get("/api/health") { _, _ in Response(status: .ok) }
    }

    private func answer(_ request: Request, _ audit: AuditNote) async throws -> Response {
        let path = request.uri.path
        let call: HubAPICall
        do throws(HubAPICall.Problem) {
            call = try HubAPICall(method: request.method.rawValue, path: path)
        } catch {
            switch error {
            case .path:
                throw APIError(status: .notFound, code: "unknown_path", message: "there is nothing at this path")
            case .method:
                throw APIError(
                    status: .methodNotAllowed, code: "method_not_allowed",
                    message: "\(request.method) is not allowed at this path")
            }
        }
        let hub = try authorize(request, call)
        if case .send = call.action { audit.add(.publication) }
        if request.method == .get { audit.add(.question) }
        return try await carryOut(call.action, hub, HubAPIQuery(request.uri.query ?? ""), request, audit)
    }

    /// Nobody without a key learns which hubs there are.
    private func authorize(_ request: Request, _ call: HubAPICall) throws(APIError) -> HubRule {
        let name = Self.lower(call.hub)
        let hub = node.configuration.hubs.first { Self.lower(String($0.path.dropFirst())) == name }
        let given = TokenCheck.credentials("bearer", in: request.headers[.authorization] ?? "")
        let now = Int64(clamping: WallClock.milliseconds / 1000)
        guard let hub,
            let token = try? AccessKeyToken(String(decoding: given, as: UTF8.self), keys: hub.keys, now: now),
            token.audiences.contains(where: { HubAPICall.isAudience($0, of: request.uri.path) })
        else {
            throw APIError(
                status: .unauthorized, code: "unauthorized",
                message:
                    "send the header Authorization: Bearer TOKEN, with a token that one of the hub's keys has signed (HS256), that has not expired, and whose aud is the address of the request without its query",
                headers: ["WWW-Authenticate": "Bearer realm=\"carillon\""])
        }
        return hub
    }

    /// Names of hubs are compared without the case of ASCII letters: client libraries make them lower case.
    private static func lower(_ name: String) -> [UInt8] {
        name.utf8.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
    }

    private func carryOut(
        _ action: HubAPICall.Action, _ hub: HubRule, _ query: HubAPIQuery, _ request: Request, _ audit: AuditNote
    ) async throws -> Response {
        switch action {
        case .unserved:
            throw APIError(
                status: .notImplemented, code: "not_served", message: "Carillon does not serve this call of the API")
        case .send(let target): return try await send(to: target, hub, query, request, audit)
        case .exists(.connection(let id)): return Self.isThere(try await find(id) != nil)
        case .exists(.user(let user)): return Self.isThere(try await isAnybody(user: user))
        case .exists(.group(let group)):
            return Self.isThere(try await isAnybody(channel: Self.channel(group, hub)))
        case .isMember(let user, let group):
            return Self.isThere(try await isAnybody(user: user, channel: Self.channel(group, hub)))
        case .close(.connection(let id)):
            guard let id = try await find(id) else { throw Routes.unknown }
            let result = await inspector.close(id, code: 4000, reason: query.reason ?? "closed by the application")
            guard result.nodes.isComplete else { throw Self.incomplete(result.nodes) }
            guard result.found else { throw Routes.unknown }
            return Response(status: .ok)
        case .close(.user(let user)):
            let selection = try await selection(.user(user), query)
            try await act(
                .disconnect(code: 4000, reason: query.reason ?? "closed by the application"), selection, audit)
            return Response(status: .noContent)
        case .join(let target, let group):
            let channel = try Self.channel(group, hub)
            guard node.live.rules.rule(for: channel).subscribe != .nobody else {
                throw APIError.badRequest("not_permitted", "channel '\(channel)': its rule says subscribe: nobody")
            }
            let now = Int64(clamping: WallClock.milliseconds / 1000)
            let end = query.ttl.flatMap { $0 == 0 ? nil : now &+ $0 }
            try await act(
                .subscribe(channel: channel.description, data: nil, epoch: nil, offset: nil, expiresAt: end),
                selection(target, query), audit)
            return Response(status: .ok)
        case .leave(let target, let group):
            let channel = try Self.channel(group, hub)
            try await act(.unsubscribe(channel: channel.description), selection(target, query), audit)
            if case .user = target { return Response(status: .noContent) }
            return Response(status: .ok)
        case .exists(.everybody), .close(.everybody), .close(.group):
            throw APIError(status: .notFound, code: "unknown_path", message: "there is nothing at this path")
        }
    }

    private static func isThere(_ isThere: Bool) -> Response { Response(status: isThere ? .ok : .notFound) }

    // MARK: Names

    private static func channel(_ group: String, _ hub: HubRule) throws(APIError) -> ChannelName {
        guard let channel = hub.channel(ofGroup: Array(group.utf8)) else {
            throw .badRequest("invalid_group", "the group behind the hub's prefix is not the name of a channel")
        }
        return channel
    }

    /// A connection by its id: that which its client was given at the negotiation, or as the API lists it. Nil where there is none.
    private func find(_ id: String) async throws(APIError) -> SessionID? {
        let (found, nodes) = await inspector.sessions([id])
        if let first = found.first { return first }
        guard nodes.isComplete else { throw Self.incomplete(nodes) }
        return nil
    }

    private func isAnybody(user: String? = nil, channel: ChannelName? = nil) async throws(APIError) -> Bool {
        let page = await inspector.connections(
            ConnectionQuery(
                channel: channel?.description, user: user.map { ForeignText($0) }, sort: .id, limit: 1))
        if !page.connections.isEmpty { return true }
        guard page.nodes.isComplete else { throw Self.incomplete(page.nodes) }
        return false
    }

    private func selection(
        _ target: HubAPICall.Target, _ query: HubAPIQuery
    ) async throws(APIError) -> SessionSelection {
        var selection = SessionSelection()
        switch target {
        case .connection(let id):
            guard let id = try await find(id) else { throw Routes.unknown }
            selection.client = id.description
        case .user(let user): selection.user = try MembershipRoutes.user(user)
        case .everybody, .group: throw Routes.unknown
        }
        if !query.excluded.isEmpty {
            selection.except = await inspector.sessions(query.excluded).found.map(\.description)
        }
        return selection
    }

    // MARK: Doing

    private func act(_ action: SessionAction, _ selection: SessionSelection, _ audit: AuditNote) async throws(APIError)
    {
        if let user = selection.user { audit.add("user", user.text) }
        if let client = selection.client { audit.add("client", client) }
        let (result, nodes) = await inspector.act(everywhere: action, on: selection)
        audit.add("sessions", "\(result.done)")
        guard nodes.isComplete else { throw Self.incomplete(nodes) }
        if selection.client != nil, result.total == 0 { throw Routes.unknown }
        guard let refusal = result.refusals.first else { return }
        throw APIError(
            status: refusal.reason == .temporary ? .serviceUnavailable : .badRequest, code: refusal.reason.rawValue,
            message: "\(refusal.count) of \(things(result.total, "session")) refused it: \(refusal.reason.rawValue)")
    }

    private static func incomplete(_ nodes: NodeCount) -> APIError {
        let refused = MembershipRoutes.incomplete(nodes)
        return APIError(
            status: .serviceUnavailable, code: refused.code, message: refused.message, headers: ["Retry-After": "1"])
    }

    private func send(
        to target: HubAPICall.Target, _ hub: HubRule, _ query: HubAPIQuery, _ request: Request, _ audit: AuditNote
    ) async throws -> Response {
        let limit = node.configuration.messageBytes * 6 + AdminServer.bodyOverhead
        let body = try await request.body.collect(upTo: limit)
        let message = try HubAPIMessage(Array(body.readableBytesView), messageBytes: node.configuration.messageBytes)
        let channel: ChannelName
        switch target {
        case .everybody: channel = hub.everyone
        case .group(let group): channel = try Self.channel(group, hub)
        case .user(let user):
            guard let name = ChannelName.user(user) else {
                throw APIError.badRequest("invalid_user", "this is not the id of a user")
            }
            channel = name
        case .connection(let id):
            guard let id = try await find(id) else { throw Routes.unknown }
            channel = .connection(id)
        }
        audit.add("channel", channel.description)
        audit.add("bytes", "\(message.payload.count)")
        var except: [SessionID] = []
        if !query.excluded.isEmpty {
            let (found, nodes) = await inspector.sessions(query.excluded)
            // Whoever is to be left out may not get it because a node did not say where it is.
            guard nodes.isComplete else { throw Self.incomplete(nodes) }
            except = found
        }
        let outcomes = await publisher.publish(
            PublishOrder(
                channels: [channel], kind: .json, payload: message.payload,
                extras: Publication.Extras(event: message.target, except: except)))
        if case .refused(let refusal)? = outcomes.first {
            throw APIError(
                status: .serviceUnavailable, code: "not_published", message: "\(refusal)", headers: ["Retry-After": "1"]
            )
        }
        return Response(status: .accepted)
    }
}

/// What is sent: `{"target":"said","arguments":["ann",1]}`.
struct HubAPIMessage: Equatable {
    let target: [UInt8]
    /// As calls of clients are kept: one argument that is no list is itself, everything else is the list of arguments.
    let payload: [UInt8]

    init(_ body: [UInt8], messageBytes: Int) throws(APIError) {
        do throws(ServerAPIError) {
            let fields = try ServerAPIFields(body, known: ["target", "arguments", "rawBytes", "rawOnly"])
            guard !fields.isSet("rawBytes"), !fields.isSet("rawOnly") else {
                throw .badRequest("rawBytes and rawOnly are not served")
            }
            guard let target = try fields.text("target"), EventName.isValid(target) else {
                throw .badRequest(
                    "'target' has to be a text of 1 to \(EventName.maximumBytes) bytes without control characters")
            }
            let arguments = try fields.list("arguments") ?? []
            if arguments.count == 1, let only = arguments.first, only.first != UInt8(ascii: "[") {
                payload = only
            } else {
                payload = fields.value("arguments") ?? Array("[]".utf8)
            }
            self.target = target
        } catch {
            throw .badRequest("invalid_message", error.message)
        }
        guard payload.count <= messageBytes else {
            throw APIError(
                status: .contentTooLarge, code: "message_too_large",
                message: "the arguments have \(payload.count) bytes, limits.message_bytes is \(messageBytes)")
        }
    }
}
