import Codec
import Foundation
import HTTPTypes
import Hummingbird

/// What operators look at: samples, events, channels and connections.
extension Routes {
    func series(_ query: Query) async throws -> Response {
        let samples = try query.number("samples", 1...SampleRing.capacity, default: SampleRing.capacity)
        return Response.json(await inspector.series(samples: samples))
    }

    func recent(_ query: Query) async throws -> Response {
        Response.json(await inspector.recent(everywhere: try query.limit()))
    }

    // MARK: Channels

    func channels(_ query: Query) async throws -> Response {
        let prefix = query["prefix"] ?? ""
        let limit = try query.limit()
        let sort = try query.choice("sort", ChannelSort.self) ?? .name
        guard sort != .name else {
            var page = await inspector.channels(prefix: prefix, after: try query.cursor(String.self), limit: limit)
            page.cursor = page.cursor.map(PageCursor.encode)
            return Response.json(page)
        }
        var (page, cursor) = await inspector.channels(
            prefix: prefix, by: sort, after: try query.cursor(ChannelPlace.self), limit: limit)
        page.cursor = cursor.map(PageCursor.encode)
        return Response.json(page)
    }

    func channel(_ encoded: String) async throws -> Response {
        let name = encoded.removingPercentEncoding ?? encoded
        if let objection = ChannelName.objection(to: Array(name.utf8)), name != "$all" {
            throw APIError.badRequest("invalid_channel", "\(objection)")
        }
        return Response.json(await inspector.channel(name))
    }

    // MARK: Connections

    func connections(_ query: Query) async throws -> Response {
        if let node = query["node"], NodeID(node) == nil {
            throw APIError.badRequest("invalid_parameter", "'node' has to be a node's id: 16 hexadecimal digits")
        }
        if let address = query["address"] {
            do throws(AddressRange.ParseError) { _ = try AddressRange(parsing: address) } catch {
                throw APIError.badRequest("invalid_parameter", "'address': \(error)")
            }
        }
        if let name = query["dialect"], Dialect(name: name) == nil {
            throw APIError.badRequest(
                "invalid_parameter", "'dialect' has to be \(Query.list(Dialect.allCases.map(\.name)))")
        }
        return Response.json(
            await inspector.connections(
                ConnectionQuery(
                    channel: query["channel"], node: query["node"], user: query["user"].map { ForeignText($0) },
                    address: query["address"], dialect: query["dialect"],
                    sort: try query.choice("sort", ConnectionSort.self) ?? .id,
                    cursor: try query.cursor(ConnectionCursor.self), limit: try query.limit())))
    }

    static func connection(_ text: String) throws -> SessionID {
        guard let id = SessionID(named: text) else {
            throw APIError.badRequest("invalid_connection", "this is not the id of a connection")
        }
        return id
    }

    func connection(_ text: String, _ query: Query) async throws -> Response {
        let id = try Self.connection(text)
        let found = await inspector.connection(id, after: try query.cursor(String.self), limit: try query.limit())
        guard found.nodes.answered == found.nodes.asked else { throw Self.unreachable(id) }
        guard var detail = found.detail else { throw Self.unknown }
        detail.more.cursor = detail.more.cursor.map(PageCursor.encode)
        return Response.json(ConnectionReport(detail: detail, nodeName: found.nodeName))
    }

    static func unreachable(_ id: SessionID) -> APIError {
        APIError(
            status: .serviceUnavailable, code: "node_unreachable",
            message: "the connection's node \(id.node) is gone or did not answer")
    }

    static let unknown = APIError(
        status: .notFound, code: "unknown_connection", message: "the connection no longer exists")
}
