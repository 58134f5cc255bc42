import Codec
import Foundation
import HTTPTypes
import Hummingbird
import Reactor

/// What applications do with sessions, by their id or by their user, on whatever nodes they are: subscribe, unsubscribe, refresh.
///
/// An answer with status 200 says that it is done, for every session and on every node that is alive. Where it is not, the answer says
/// what was done, why the rest was not, and which nodes did not answer.
struct MembershipRoutes {
    let node: RunningNode
    let inspector: ClusterInspector

    /// Bytes of a body. The largest field is `data`, whose bytes JSON may escape.
    static let bodyBytes = 128 * 1024
    /// Connections in `except`.
    static let maximumExceptions = 500

    /// What is done with sessions, by the last segment of the path.
    private static let verbs = ["subscribe", "unsubscribe", "refresh"]

    func add(to api: RouterGroup<AdminContext>) {
        for verb in Self.verbs {
            api.post("connections/:id/\(verb)") { request, context in
                let id = try Routes.connection(context.parameters.require("id"))
                context.audit.add("connection", id.description)
                return try await act(
                    verb, SessionSelection(client: id.description), request, context.audit, isOne: true)
            }
            api.post("users/:id/\(verb)") { request, context in
                let user = try Self.user(context.parameters.require("id"))
                context.audit.add("user", user.text)
                return try await act(verb, SessionSelection(user: user), request, context.audit, isOne: false)
            }
        }
    }

    static func user(_ encoded: String) throws(APIError) -> ForeignText {
        let user = encoded.removingPercentEncoding ?? encoded
        guard ChannelName.user(user) != nil else {
            throw .badRequest("invalid_user", "this is not the id of a user")
        }
        return ForeignText(user)
    }

    static func fields(_ request: Request, known: [String]) async throws -> APIFields {
        let body = try await request.body.collect(upTo: bodyBytes)
        return try APIFields(Array(body.readableBytesView), known: known)
    }

    private func act(
        _ verb: String, _ selection: SessionSelection, _ request: Request, _ audit: AuditNote, isOne: Bool
    ) async throws -> Response {
        var selection = selection
        let action: SessionAction
        switch verb {
        case "subscribe":
            let fields = try await Self.fields(request, known: ["channel", "data", "since", "expires_at", "except"])
            action = try subscription(fields, audit)
            selection.except = try fields.connections("except", limit: Self.maximumExceptions)
        case "unsubscribe":
            let fields = try await Self.fields(request, known: ["channel", "all", "except"])
            let channel = try fields.channel("channel")
            guard try (channel != nil) != fields.flag("all") else {
                throw APIError.badRequest("target", "name a channel, or \"all\": true for all of them")
            }
            if let channel { audit.add("channel", channel.description) }
            action = .unsubscribe(channel: channel?.description)
            selection.except = try fields.connections("except", limit: Self.maximumExceptions)
        default:
            let fields = try await Self.fields(request, known: ["expires_at", "never", "except"])
            let end = try fields.time("expires_at")
            guard try (end != nil) != fields.flag("never") else {
                throw APIError.badRequest(
                    "invalid_field",
                    "say when the session has to end: 'expires_at', in seconds since 1970, or \"never\": true")
            }
            action = end.map { $0 <= now ? .expire : .refresh(expiresAt: $0) } ?? .refresh(expiresAt: nil)
            selection.except = try fields.connections("except", limit: Self.maximumExceptions)
        }
        let (result, nodes) = await inspector.act(everywhere: action, on: selection)
        audit.add("sessions", "\(result.done)")
        if isOne, nodes.isComplete, result.total == 0 { throw Routes.unknown }
        return Self.response(result, nodes)
    }

    private var now: Int64 { Int64(clamping: WallClock.milliseconds / 1000) }

    private func subscription(_ fields: APIFields, _ audit: AuditNote) throws(APIError) -> SessionAction {
        guard let channel = try fields.channel("channel") else {
            throw .badRequest("target", "name the channel: \"channel\": \"news\"")
        }
        audit.add("channel", channel.description)
        guard node.live.rules.rule(for: channel).subscribe != .nobody else {
            throw APIError(
                status: .conflict, code: "not_permitted",
                message: "channel '\(channel)': its rule says subscribe: nobody"
            )
        }
        let data = fields.value("data")
        guard (data?.count ?? 0) <= ServerAPILimits.maximumDataBytes else {
            throw .badRequest("invalid_field", "'data' has at most \(ServerAPILimits.maximumDataBytes) bytes")
        }
        var since: Position?
        if let text = try fields.text("since") {
            guard let position = Position(text) else {
                throw .badRequest(
                    "invalid_field", "'since' has to be a position from the response of publish or history")
            }
            since = position
        }
        let end = try fields.time("expires_at")
        if let end, end <= now { throw .badRequest("invalid_field", "'expires_at' has passed") }
        return .subscribe(
            channel: channel.description, data: data.map { String(decoding: $0, as: UTF8.self) },
            epoch: since?.epochText, offset: since.map { ClientOffset($0).value }, expiresAt: end)
    }

    // MARK: Answers

    /// `{"sessions":2,"refused":{"limit":1},"nodes":{"asked":2,"answered":1,"missing":["b"]}}`, and `error` where it is not done.
    struct Acted: Encodable {
        var sessions: Count
        var refused: Refusals?
        var nodes: NodeCount
        var error: Refused?
    }

    /// How many sessions it was refused for, by reason.
    struct Refusals: Encodable {
        var limit: Count?
        var notPermitted: Count?
        var unrecoverable: Count?
        var wordless: Count?
        var temporary: Count?

        init(_ result: SessionsActedOn) {
            func some(_ count: Count) -> Count? { count > 0 ? count : nil }
            limit = some(result.limit)
            notPermitted = some(result.notPermitted)
            unrecoverable = some(result.unrecoverable)
            wordless = some(result.wordless)
            temporary = some(result.temporary)
        }
    }

    struct Refused: Encodable {
        var code: String
        var message: String
    }

    static func response(_ result: SessionsActedOn, _ nodes: NodeCount) -> Response {
        let refusals = result.refusals
        var answer = Acted(
            sessions: result.done, refused: refusals.isEmpty ? nil : Refusals(result), nodes: nodes)
        if !nodes.isComplete {
            answer.error = Self.incomplete(nodes)
            return .json(answer, status: .serviceUnavailable)
        }
        guard let first = refusals.first else { return .json(answer) }
        answer.error = Refused(
            code: first.reason.rawValue,
            message: "\(things(first.count, "session")) of \(result.total): \(first.reason.explanation)")
        return .json(answer, status: first.reason == .temporary ? .serviceUnavailable : .conflict)
    }

    static func incomplete(_ nodes: NodeCount) -> Refused {
        Refused(
            code: "nodes_missing",
            message:
                "not all nodes answered, so it may not be done everywhere; no answer from \((nodes.missing ?? []).joined(separator: ", ")). Try again"
        )
    }
}

extension SessionRefusal {
    fileprivate var explanation: String {
        switch self {
        case .limit: "it can have no more channels (limits.channels_per_session)"
        case .notPermitted: "the channel's rule does not permit it"
        case .unrecoverable: "'since' does not lead to what is kept"
        case .wordless: "its dialect has no words for it"
        case .temporary: "it ended meanwhile, or could not be confirmed in time; try again"
        }
    }
}
