import Codec
import Foundation
import HTTPTypes

/// What a request to the REST data plane of hubs asks for, by its method and path (Azure SignalR Service REST API, 1.0, 2022-06-01 and
/// 2024-12-01). Pure.
struct HubAPICall: Equatable {
    /// Whom it is about.
    enum Target: Equatable {
        case everybody
        case group(String)
        case user(String)
        case connection(String)
    }

    enum Action: Equatable {
        case send(Target)
        /// Whether somebody is there.
        case exists(Target)
        case close(Target)
        case join(Target, group: String)
        case leave(Target, group: String)
        /// A connection or a user leaves all groups.
        case leaveAll(Target)
        case isMember(user: String, group: String)
        /// A page of a group's connections.
        case members(group: String)
        /// A token for a client.
        case generateToken
        /// The API has it, and it is not served here.
        case unserved(Unserved)
    }

    /// What is not served, and why.
    enum Unserved: String, Equatable {
        case transactions = "commands in a transaction (:execute) are not served: send each request by itself"
        case invocations =
            "calls of clients that wait for a result (:invoke) are not served: have the client call the application back"
        case streams = "streams to clients are not served: send calls instead"
    }

    private enum Method: String {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case delete = "DELETE"
    }

    enum Problem: Error, Equatable {
        /// There is nothing at this path.
        case path
        /// There is, with another method.
        case method
    }

    /// As the path has it.
    let hub: String
    let action: Action
    /// Whether it is of version 1.0.
    let isLegacy: Bool

    /// Segments of the longest path, and bytes of a name.
    private static let maximumSegments = 8
    static let maximumNameBytes = 1024

    /// - Parameters:
    ///   - method: `GET` stands for `HEAD` too.
    ///   - path: As it was sent, percent-encoded, without the query.
    init(method: String, path: String) throws(Problem) {
        var segments: [String] = []
        for part in path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: true) {
            guard segments.count < Self.maximumSegments, let text = String(part)?.removingPercentEncoding,
                (1...Self.maximumNameBytes).contains(text.utf8.count)
            else { throw .path }
            segments.append(text)
        }
        guard segments.first == "api" else { throw .path }
        isLegacy = segments.count > 1 && segments[1] == "v1"
        let rest = Array(segments.dropFirst(isLegacy ? 2 : 1))
        guard rest.count >= 2, rest[0] == "hubs" else { throw .path }
        hub = rest[1]
        let actions = Self.actions(Array(rest.dropFirst(2)), isLegacy: isLegacy)
        guard !actions.isEmpty else { throw .path }
        guard let action = Method(rawValue: method).flatMap({ actions[$0] }) else { throw .method }
        self.action = action
    }

    /// What there is at a path behind the hub, by method.
    private static func actions(_ path: [String], isLegacy: Bool) -> [Method: Action] {
        let last = path.last ?? ""
        switch path.count {
        case 0: return isLegacy ? [.post: .send(.everybody)] : [:]
        case 1:
            switch last {
            case ":send": return [.post: .send(.everybody)]
            case ":closeConnections": return [.post: .close(.everybody)]
            case ":generateToken": return [.post: .generateToken]
            case ":execute": return [.post: .unserved(.transactions)]
            default: return [:]
            }
        case 2:
            guard let target = target(path[0], last) else { return [:] }
            var actions: [Method: Action] = [.get: .exists(target)]
            if isLegacy { actions[.post] = .send(target) }
            if case .connection = target { actions[.delete] = .close(target) }
            return actions
        case 3:
            guard let target = target(path[0], path[1]) else { return [:] }
            switch (last, target) {
            case (":send", _): return [.post: .send(target)]
            case (":closeConnections", .user), (":closeConnections", .group): return [.post: .close(target)]
            case (":invoke", .connection): return [.post: .unserved(.invocations)]
            case ("connections", .group(let group)): return [.get: .members(group: group)]
            case ("groups", .connection), ("groups", .user): return [.delete: .leaveAll(target)]
            default: return [:]
            }
        case 4:
            guard let first = target(path[0], path[1]), let second = target(path[2], path[3]) else { return [:] }
            switch (first, second) {
            case (.group(let group), .connection):
                return [.put: .join(second, group: group), .delete: .leave(second, group: group)]
            case (.group(let group), .user(let user)), (.user(let user), .group(let group)):
                let target = Target.user(user)
                return [
                    .put: .join(target, group: group), .delete: .leave(target, group: group),
                    .get: .isMember(user: user, group: group),
                ]
            default: return [:]
            }
        case 5:
            guard case .connection? = target(path[0], path[1]), path[2] == "streams",
                [":send", ":complete"].contains(last)
            else { return [:] }
            return [.post: .unserved(.streams)]
        default: return [:]
        }
    }

    private static func target(_ kind: String, _ name: String) -> Target? {
        switch kind {
        case "groups": .group(name)
        case "users": .user(name)
        case "connections": .connection(name)
        default: nil
        }
    }
}

extension HubAPICall {
    /// Whether a token is for this request: one of its audiences is the request's address, without the query. Names of hosts and the
    /// scheme are not compared, because a proxy in front of the node changes them.
    static func isAudience(_ audience: String, of path: String) -> Bool {
        guard let start = audience.range(of: "://")?.upperBound,
            let slash = audience[start...].firstIndex(of: "/")
        else { return false }
        // By segments: a slash that is encoded is part of a name, and no separator.
        func segments(_ path: some StringProtocol) -> [[UInt8]]? {
            var found: [[UInt8]] = []
            for part in path.prefix(while: { $0 != "?" }).split(separator: "/") {
                guard let text = String(part).removingPercentEncoding else { return nil }
                found.append(Array(text.utf8))
            }
            return found
        }
        guard let given = segments(audience[slash...]), let wanted = segments(path), !wanted.isEmpty else {
            return false
        }
        return given == wanted
    }
}

/// The query of such a request: what may be there several times is a list.
struct HubAPIQuery: Equatable {
    private(set) var excluded: [String] = []
    private(set) var reason: String?
    /// Seconds.
    private(set) var ttl: Int64?
    /// In front of the hub's name: the hub `chat` of the application `app` is the hub `app_chat`.
    private(set) var application: String?
    /// Of a token.
    private(set) var user: String?
    private(set) var minutes: Int64?
    /// Of a list: how many connections there may be altogether, how many on a page, and where the page begins.
    private(set) var top: Int?
    private(set) var pageSize: Int?
    private(set) var continuation: String?

    /// Connections that a request may leave out.
    static let maximumExcluded = 1000

    init(_ query: String) throws(APIError) {
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let texts = parts.map { $0.replacing("+", with: " ").removingPercentEncoding }
            guard let first = texts.first, let name = first, let value = texts.count > 1 ? texts[1] : "" else {
                throw .badRequest("invalid_parameter", "the query is not percent-encoded UTF-8")
            }
            switch name {
            case "excluded":
                guard excluded.count < Self.maximumExcluded else {
                    throw .badRequest(
                        "invalid_parameter", "'excluded' is there more than \(Self.maximumExcluded) times")
                }
                excluded.append(value)
            case "reason":
                guard value.utf8.count <= 123 else {
                    throw .badRequest("invalid_parameter", "'reason' has at most 123 bytes")
                }
                reason = value
            case "ttl":
                ttl = try Self.number(value, "ttl", in: 0...Self.longestMembership)
            case "application": application = value.isEmpty ? nil : value
            case "userId": user = value.isEmpty ? nil : value
            case "minutesToExpire": minutes = try Self.number(value, "minutesToExpire", in: 1...Self.longestMinutes)
            case "top": top = Int(clamping: try Self.number(value, "top", in: 1...Self.largestNumber))
            case "maxpagesize":
                pageSize = Int(clamping: try Self.number(value, "maxpagesize", in: 1...Self.largestNumber))
            case "continuationToken": continuation = value.isEmpty ? nil : value
            case "filter":
                // Whoever asks for fewer recipients does not want more.
                guard value.isEmpty else {
                    throw APIError(
                        status: .notImplemented, code: "not_served", message: "the parameter '\(name)' is not served")
                }
            default: break
            }
        }
    }

    /// The longest membership of a user in a group, which is that of one without an end, in seconds.
    static let longestMembership: Int64 = 366 * 86_400
    /// The largest number of connections that the API has words for: 2^31 - 1.
    private static let largestNumber: Int64 = 2_147_483_647
    /// How long a token may be good for.
    private static let longestMinutes: Int64 = 366 * 1440

    private static func number(_ text: String, _ name: String, in range: ClosedRange<Int64>) throws(APIError) -> Int64 {
        guard let number = Int64(text), range.contains(number) else {
            throw .badRequest(
                "invalid_parameter", "'\(name)' has to be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}
