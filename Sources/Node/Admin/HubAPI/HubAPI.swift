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

    /// Whether a path is one of this API: `/api/hubs/…` or `/api/v1/hubs/…`. Requests to it show a token of their own; the health of the
    /// service needs none.
    static func isOne(_ path: String) -> Bool {
        path.hasPrefix("/api/hubs/") || path.hasPrefix("/api/v1/hubs/")
            || path.utf8.elementsEqual("/api/v1/health".utf8)
    }

    func add(to router: Router<AdminContext>) {
        for method in [HTTPRequest.Method.get, .post, .put, .delete] {
            for path in ["/api/hubs/**", "/api/v1/hubs/**"] {
                router.on(RouterPath(path), method: method) { request, context in
                    try await answer(request, context.audit)
                }
            }
        }
        for path in ["/api/health", "/api/v1/health"] {
            router.get(RouterPath(path)) { _, _ in Response(status: .ok) }
        }
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
        let query = try HubAPIQuery(request.uri.query ?? "")
        let hub = try authorize(request, call, query)
        if case .send = call.action { audit.add(.publication) }
        if request.method == .get { audit.add(.question) }
        return try await carryOut(call, hub, query, request, audit)
    }

    /// Nobody without a key learns which hubs there are.
    private func authorize(
        _ request: Request, _ call: HubAPICall, _ query: HubAPIQuery
    ) throws(APIError) -> HubRule {
        let name = (query.application.map { $0 + "_" } ?? "") + call.hub
        let hub = node.configuration.hubs.first { $0.isCalled(Array(name.utf8)) }
        let given = TokenCheck.credentials("bearer", in: request.headers[.authorization] ?? "")
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

    var now: Int64 { Int64(clamping: WallClock.milliseconds / 1000) }

    private func carryOut(
        _ call: HubAPICall, _ hub: HubRule, _ query: HubAPIQuery, _ request: Request, _ audit: AuditNote
    ) async throws -> Response {
        switch call.action {
        case .unserved(let what):
            throw APIError(status: .notImplemented, code: "not_served", message: what.rawValue)
        case .send(let target): return try await send(to: target, hub, query, request, audit)
        case .exists(.connection(let id)):
            return try Self.isThere(await find(id, of: hub) != nil, or: .connectionGone)
        case .exists(.user(let user)): return try Self.isThere(await isAnybody(of: hub, user: user), or: .noUser)
        case .exists(.group(let group)):
            return try Self.isThere(await isAnybody(of: hub, channel: Self.channel(group, hub)), or: .noGroup)
        case .isMember(let user, let group):
            return try Self.isThere(await isMember(user, Self.channel(group, hub), hub), or: .noMember)
        case .members(let group): return try await members(of: Self.channel(group, hub), hub, query, request)
        case .generateToken: return try token(for: hub, query, request, audit)
        case .close(let target):
            try await close(target, hub, query, audit)
            if case .connection = target { return Response(status: call.isLegacy ? .accepted : .ok) }
            return Response(status: .noContent)
        case .join(let target, let group):
            try await join(target, Self.channel(group, hub), hub, query, audit)
            if call.isLegacy, case .user = target { return Response(status: .accepted) }
            return Response(status: .ok)
        case .leave(let target, let group):
            let channel = try Self.channel(group, hub)
            if case .user(let user) = target { try await keep(.remove(channel), user, hub) }
            try await act(
                .unsubscribe(channel: channel.description), selection(target, hub, query, or: .noConnection), audit)
            if case .user = target { return Response(status: call.isLegacy ? .accepted : .noContent) }
            return Response(status: .ok)
        case .leaveAll(let target):
            try await leaveAll(target, hub, query, audit)
            if !call.isLegacy, case .user = target { return Response(status: .noContent) }
            return Response(status: .ok)
        case .exists(.everybody):
            throw APIError(status: .notFound, code: "unknown_path", message: "there is nothing at this path")
        }
    }

    private static func isThere(_ isThere: Bool, or error: HubAPIError) throws(APIError) -> Response {
        guard isThere else { throw error.response }
        return Response(status: .ok)
    }

    // MARK: Names

    private static func channel(_ group: String, _ hub: HubRule) throws(APIError) -> ChannelName {
        guard let channel = hub.channel(ofGroup: Array(group.utf8)) else {
            throw .badRequest("invalid_group", "the group behind the hub's prefix is not the name of a channel")
        }
        return channel
    }

    /// A connection of the hub by its id: that which its client was given at the negotiation, or as the API lists it. Nil where there is none.
    func find(_ id: String, of hub: HubRule) async throws(APIError) -> SessionID? {
        let (found, nodes) = await inspector.sessions([id], of: hub.number)
        if let first = found.first { return first }
        guard nodes.isComplete else { throw Self.incomplete(nodes) }
        return nil
    }

    private func isAnybody(of hub: HubRule, user: String? = nil, channel: ChannelName? = nil) async throws(APIError)
        -> Bool
    {
        let page = await inspector.connections(
            ConnectionQuery(
                channel: channel?.description, user: user.map { ForeignText($0) }, hub: hub.number, sort: .id, limit: 1)
        )
        if !page.connections.isEmpty { return true }
        guard page.nodes.isComplete else { throw Self.incomplete(page.nodes) }
        return false
    }

    /// - Parameter error: When it is about one connection, and that is not there.
    func selection(
        _ target: HubAPICall.Target, _ hub: HubRule, _ query: HubAPIQuery, or error: HubAPIError
    ) async throws(APIError) -> SessionSelection {
        var selection = SessionSelection(hub: hub.number)
        switch target {
        case .connection(let id):
            guard let id = try await find(id, of: hub) else { throw error.response }
            selection.client = id.description
        case .user(let user): selection.user = try MembershipRoutes.user(user)
        case .group(let group): selection.channel = try Self.channel(group, hub).description
        case .everybody: break
        }
        let except = try await excluded(query, hub)
        if !except.isEmpty { selection.except = except.map(\.description) }
        return selection
    }

    /// The connections that a request leaves out. Whoever is to be left out is not to be meant because a node did not say where it is.
    private func excluded(_ query: HubAPIQuery, _ hub: HubRule) async throws(APIError) -> [SessionID] {
        guard !query.excluded.isEmpty else { return [] }
        let (found, nodes) = await inspector.sessions(query.excluded, of: hub.number)
        guard nodes.isComplete else { throw Self.incomplete(nodes) }
        // Those of other dialects are in groups, too, and have only the id that says where they are.
        return found + query.excluded.compactMap { SessionID($0) }.filter { !found.contains($0) }
    }

    // MARK: Doing

    /// - Parameter error: When it is about one connection, and that has gone.
    func act(
        _ action: SessionAction, _ selection: SessionSelection, _ audit: AuditNote,
        or error: HubAPIError = .noConnection
    ) async throws(APIError) {
        if let user = selection.user { audit.add("user", user.text) }
        if let client = selection.client { audit.add("client", client) }
        if let channel = selection.channel { audit.add("channel", channel) }
        let (result, nodes) = await inspector.act(everywhere: action, on: selection)
        audit.add("sessions", "\(result.done)")
        guard nodes.isComplete else { throw Self.incomplete(nodes) }
        if selection.client != nil, result.total == 0 { throw error.response }
        guard let refusal = result.refusals.first else { return }
        throw APIError(
            status: refusal.reason == .temporary ? .serviceUnavailable : .badRequest, code: refusal.reason.rawValue,
            message: "\(refusal.count) of \(things(result.total, "session")) refused it: \(refusal.reason.rawValue)")
    }

    private func close(
        _ target: HubAPICall.Target, _ hub: HubRule, _ query: HubAPIQuery, _ audit: AuditNote
    ) async throws(APIError) {
        let selection = try await selection(target, hub, query, or: .connectionGone)
        try await act(
            .disconnect(code: 4000, reason: query.reason ?? "closed by the application"), selection, audit,
            or: .connectionGone)
    }

    static func incomplete(_ nodes: NodeCount) -> APIError {
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
            // The service takes what it cannot deliver, and says that.
            guard let id = try await find(id, of: hub) else { return HubAPIError.connectionGone.accepted }
            channel = .connection(id)
        }
        audit.add("channel", channel.description)
        audit.add("bytes", "\(message.payload.count)")
        let except = try await excluded(query, hub)
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
