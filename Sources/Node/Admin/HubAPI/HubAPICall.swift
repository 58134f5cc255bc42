import Codec
import Foundation
import HTTPTypes

/// What a request to the REST data plane of hubs asks for, by its method and path (Azure SignalR Service REST API, 2022-06-01 and 1.0). Pure.
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
        /// A connection, or those of a user.
        case close(Target)
        case join(Target, group: String)
        case leave(Target, group: String)
        case isMember(user: String, group: String)
        /// The API has it, and it is not served here.
        case unserved
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
        let isLegacy = segments.count > 1 && segments[1] == "v1"
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
            if last == ":send" { return [.post: .send(.everybody)] }
            return [":closeConnections", ":generateToken", ":execute"].contains(last) ? [.post: .unserved] : [:]
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
            case (":closeConnections", .user): return [.post: .close(target)]
            case (":closeConnections", .group), (":invoke", .connection): return [.post: .unserved]
            case ("connections", .group): return [.get: .unserved]
            case ("groups", .connection), ("groups", .user): return [.delete: .unserved]
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
                guard let seconds = Int64(value), (0...366 * 86_400).contains(seconds) else {
                    throw .badRequest("invalid_parameter", "'ttl' has to be 0 to \(366 * 86_400) seconds")
                }
                ttl = seconds
            case "filter", "application":
                // Whoever asks for fewer recipients does not want more.
                guard value.isEmpty else {
                    throw APIError(
                        status: .notImplemented, code: "not_served", message: "the parameter '\(name)' is not served")
                }
            default: break
            }
        }
    }
}
