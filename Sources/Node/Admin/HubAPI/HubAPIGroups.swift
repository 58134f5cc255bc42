import Authentication
import Backplane
import Codec
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Reactor

/// Groups of a hub: who is in them, and who will be.
extension HubAPI {
    /// Adds a connection; or a user, with the connections of now and, unless the membership lasts no time, those of later.
    func join(
        _ target: HubAPICall.Target, _ channel: ChannelName, _ hub: HubRule, _ query: HubAPIQuery, _ audit: AuditNote
    ) async throws(APIError) {
        guard hub.isGroup(channel) else {
            throw .badRequest("invalid_group", "channel '\(channel)' is the hub's channel for everyone, and no group")
        }
        guard node.live.rules.rule(for: channel).subscribe != .nobody else {
            throw .badRequest("not_permitted", "channel '\(channel)': its rule says subscribe: nobody")
        }
        let selection = try await selection(target, hub, query, or: .noConnection)
        var end: Int64?
        if case .user(let user) = target, query.ttl != 0 {
            let until = now &+ (query.ttl ?? HubAPIQuery.longestMembership)
            // Kept first: a connection that comes meanwhile finds it, or is found.
            try await keep(.add(channel, until: until), user, hub)
            end = until
        }
        try await act(
            .subscribe(channel: channel.description, data: nil, epoch: nil, offset: nil, expiresAt: end), selection,
            audit
        )
    }

    /// A connection or a user leaves all groups. A connection that is not there is in none.
    func leaveAll(
        _ target: HubAPICall.Target, _ hub: HubRule, _ query: HubAPIQuery, _ audit: AuditNote
    ) async throws(APIError) {
        switch target {
        case .connection(let id): guard try await find(id, of: hub) != nil else { return }
        case .user(let user): try await keep(.removeAll, user, hub)
        case .group, .everybody: break
        }
        try await act(.leaveGroups, selection(target, hub, query, or: .noConnection), audit)
    }

    /// Changes the memberships that later connections of a user have.
    func keep(_ request: UserGroups.Request, _ user: String, _ hub: HubRule) async throws(APIError) {
        let user = UserGroups(hub: hub.number, user: try MembershipRoutes.user(user))
        _ = try await userGroups(request, user)
    }

    /// Whether a user was added to a group, or has a connection that is in it.
    func isMember(_ user: String, _ channel: ChannelName, _ hub: HubRule) async throws(APIError) -> Bool {
        let user = try MembershipRoutes.user(user)
        let kept = try await userGroups(.list, UserGroups(hub: hub.number, user: user))
        if kept.contains(where: { $0.channel == channel }) { return true }
        let page = await inspector.connections(
            ConnectionQuery(channel: channel.description, user: user, hub: hub.number, sort: .id, limit: 1))
        if !page.connections.isEmpty { return true }
        guard page.nodes.isComplete else { throw Self.incomplete(page.nodes) }
        return false
    }

    private func userGroups(
        _ request: UserGroups.Request, _ user: UserGroups
    ) async throws(APIError) -> [UserGroups.Membership] {
        let node = node
        let result = await withCheckedContinuation { continuation in
            node.home.post {
                node.backplane.userGroups(request, of: user) { continuation.resume(returning: $0) }
            }
        }
        do {
            return try result.get()
        } catch {
            throw APIError(
                status: .serviceUnavailable, code: "groups_unavailable",
                message: "the groups of users cannot be read or changed now: \(error)", headers: ["Retry-After": "1"])
        }
    }

    // MARK: Lists

    private struct Page: Encodable {
        struct Member: Encodable {
            var connectionId: String
            var userId: String?
        }

        var value: [Member]
        var nextLink: String?
    }

    /// Connections of one page, where the request does not say how many.
    private static let pageSize = 200

    /// The connections in a group, page by page. Those of other hubs and dialects are not listed.
    func members(
        of channel: ChannelName, _ hub: HubRule, _ query: HubAPIQuery, _ request: Request
    ) async throws -> Response {
        let limit = min(query.pageSize ?? Self.pageSize, query.top ?? .max, ClusterInspector.maximumPage)
        var cursor: ConnectionCursor?
        if let text = query.continuation {
            guard let decoded = PageCursor.decode(text, as: ConnectionCursor.self) else {
                throw APIError.badRequest("invalid_parameter", "'continuationToken' is none of this API")
            }
            cursor = decoded
        }
        let page = await inspector.connections(
            ConnectionQuery(channel: channel.description, hub: hub.number, sort: .id, cursor: cursor, limit: limit))
        guard page.nodes.isComplete else { throw Self.incomplete(page.nodes) }
        let members = page.connections.map { connection in
            Page.Member(connectionId: String(connection.id.suffix(32)), userId: connection.user)
        }
        var next: String?
        let left = query.top.map { $0 - members.count }
        if let cursor = page.cursor, left ?? 1 > 0 {
            next =
                "\(Self.origin(of: request))\(request.uri.path)?api-version=2024-12-01&maxpagesize=\(limit)"
                + (left.map { "&top=\($0)" } ?? "") + (query.application.map { "&application=\($0)" } ?? "")
                + "&continuationToken=\(cursor)"
        }
        return Response.json(camelCase: Page(value: members, nextLink: next))
    }

    /// How the client has reached the node, as far as that is known.
    static func origin(of request: Request) -> String {
        let name = HTTPField.Name("X-Forwarded-Proto")
        let said = name.flatMap { request.headers[$0] }
        let scheme = ["http", "https"].first { said?.utf8.elementsEqual($0.utf8) == true } ?? "http"
        return "\(scheme)://\(request.head.authority ?? "localhost")"
    }

    // MARK: Tokens

    private struct GeneratedToken: Encodable { var token: String }

    /// How long a token is good for, where the request does not say.
    private static let defaultMinutes: Int64 = 60

    /// A token with which a client connects to the hub at `/client/`.
    func token(
        for hub: HubRule, _ query: HubAPIQuery, _ request: Request, _ audit: AuditNote
    ) throws(APIError) -> Response {
        if let user = query.user {
            guard ChannelName.user(user) != nil else {
                throw .badRequest("invalid_user", "this is not the id of a user")
            }
            audit.add("user", user)
        }
        let audience = "\(Self.origin(of: request))\(HubAddress.path)/?hub=\(hub.name)"
        let now = now
        let token = AccessKeyToken.signed(
            by: hub.keys.first ?? [], audience: audience, user: query.user, issuedAt: now,
            expiresAt: now &+ (query.minutes ?? Self.defaultMinutes) &* 60)
        guard let token, !hub.keys.isEmpty else {
            throw APIError(
                status: .serviceUnavailable, code: "not_signed", message: "the token could not be signed, try again",
                headers: ["Retry-After": "1"])
        }
        return Response.json(GeneratedToken(token: token))
    }
}

extension Response {
    /// With the keys as they are, as the service writes them.
    static func json(camelCase value: some Encodable) -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let body = (try? encoder.encode(value)) ?? Data("{}".utf8)
        return Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }
}
