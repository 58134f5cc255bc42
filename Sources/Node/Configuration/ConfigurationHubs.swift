import Codec
import Foundation
import Yams

/// The list `hubs`.
extension ConfigurationReader {
    mutating func readHubs(_ node: Node) {
        for entry in entries(of: node, "'hubs' has to be a list of hubs") { readHub(entry) }
    }

    private mutating func readHub(_ node: Node) {
        guard case .mapping(let mapping) = node else {
            return report(
                "a hub has to be a mapping, as in { path: /chat, prefix: \"chat:\" }, not \(Self.kind(of: node))",
                at: node.mark)
        }
        var hub = HubRule(path: "")
        var everyone = (text: "all", mark: node.mark)
        for (keyNode, value) in mapping {
            let key = keyNode.string ?? ""
            switch key {
            case "keys": hub.keys = readHubKeys(value)
            case "methods": hub.methods = readMethods(value)
            case "path", "prefix", "everyone", "upstream", "message_bytes", "token_ttl":
                guard let text = scalar(value, "'\(key)'", "text") else { continue }
                do throws(ValueError) {
                    switch key {
                    case "path": hub.path = try Value.hubPath(text)
                    case "prefix": hub.prefix = Array(try Value.groupPrefix(text).utf8)
                    case "everyone": everyone = (text, value.mark)
                    case "upstream": hub.upstream = try Value.upstream(text)
                    case "message_bytes": hub.messageBytes = try Value.size(text, 64...(16 << 20))
                    default:
                        hub.tokenSeconds = try Value.duration(text, .seconds(10)...(.seconds(86_400))).components
                            .seconds
                    }
                } catch {
                    report("'\(key)': \(error.message)", at: value.mark)
                }
            default: report(unknown("key", key, nearest: ConfigurationKey.hubKeys), at: keyNode.mark)
            }
        }
        if hub.path.isEmpty, !mapping.contains(where: { $0.key.string == "path" }) {
            report("the hub has no path: add path: /chat", at: node.mark)
        }
        if let channel = hub.channel(ofGroup: Array(everyone.text.utf8)) {
            hub.everyone = channel
        } else {
            report("'everyone': '\(everyone.text)' behind the prefix is not the name of a channel", at: everyone.mark)
        }
        configuration.hubs.append(hub)
    }

    private mutating func readHubKeys(_ node: Node) -> [[UInt8]] {
        var keys: [[UInt8]] = []
        for entry in entries(of: node, "'keys' has to be a list of one or two secrets") {
            guard let text = scalar(entry, "an entry of 'keys'", "secret") else { continue }
            let key = Array(text.utf8)
            if key.count < Value.hubKeyBytes {
                report(
                    "'keys': a key has at least \(Value.hubKeyBytes) bytes, this one has \(key.count): openssl rand -base64 48 makes one",
                    at: entry.mark)
            } else if keys.contains(key) {
                report("'keys': a key is listed twice", at: entry.mark)
            } else {
                keys.append(key)
            }
        }
        if keys.count > HubRule.maximumKeys {
            report("'keys': at most two keys are possible, the new one and the one before it", at: node.mark)
        }
        return keys
    }

    private mutating func readMethods(_ node: Node) -> [HubRule.Method] {
        let actions = HubRule.Action.allCases.map(\.rawValue)
        guard case .mapping(let mapping) = node else {
            report(
                "'methods' has to be a mapping, as in { join: JoinGroup, send_to_group: SendToGroup }, not \(Self.kind(of: node))",
                at: node.mark)
            return []
        }
        var methods: [HubRule.Method] = []
        for (keyNode, value) in mapping {
            guard let action = HubRule.Action(rawValue: keyNode.string ?? "") else {
                report(unknown("action", keyNode.string ?? "", nearest: actions), at: keyNode.mark)
                continue
            }
            guard let text = scalar(value, "'\(action.rawValue)'", "name of a method") else { continue }
            guard EventName.isValid(Array(text.utf8)) else {
                report(
                    "'\(action.rawValue)': a method's name has 1 to \(EventName.maximumBytes) bytes and no control characters",
                    at: value.mark)
                continue
            }
            var known = HubRule(path: "")
            known.methods = methods
            if known.action(named: Array(text.utf8)) != nil {
                report("'methods': '\(text)' is the name of two methods (letter case does not count)", at: value.mark)
            }
            methods.append(.init(text.utf8, action))
        }
        return methods
    }
}

extension Configuration {
    /// What else is at the client port.
    private static let takenHubPaths = ["/health", HubAddress.path]

    /// What is wrong with hubs together.
    var hubFindings: [ConfigurationFinding] {
        var found: [ConfigurationFinding] = []
        for (index, hub) in hubs.enumerated() {
            let earlier = hubs[..<index]
            if earlier.contains(where: { $0.path.utf8.elementsEqual(hub.path.utf8) }) {
                found.append(.error(["hubs"], "two hubs have the path '\(hub.path)': give each a path of its own"))
            } else if let other = earlier.first(where: { $0.number == hub.number }) {
                found.append(
                    .error(
                        ["hubs"],
                        "the hubs '\(other.path)' and '\(hub.path)' cannot be told apart inside: choose another path for one of them"
                    ))
            }
            if let other = earlier.first(where: { $0.everyone == hub.everyone }) {
                found.append(
                    .warning(
                        ["hubs"],
                        "the hubs '\(other.path)' and '\(hub.path)' have the same channel for everyone, '\(hub.everyone)', so what is sent to all clients of one reaches those of the other: give them prefixes"
                    ))
            }
            if backplane == .redis, hub.keys.isEmpty {
                found.append(
                    .error(
                        ["hubs", "backplane.kind"],
                        "the hub '\(hub.path)' has no keys, so a node could not accept connections that another node negotiated: add keys: [\"${HUB_KEY}\"], the same on all nodes"
                    ))
            }
            if !knowsUsers, let method = hub.methods.first(where: { $0.action == .sendToUser }) {
                found.append(
                    .warning(
                        ["hubs", "auth.keys", "auth.connect_hook.url"],
                        "the hub '\(hub.path)' has send_to_user: \(String(decoding: method.name, as: UTF8.self)), and no client has a user id: add auth.keys or auth.connect_hook.url"
                    ))
            }
            if hub.upstream != nil, hub.keys.isEmpty {
                found.append(
                    .warning(
                        ["hubs"],
                        "the hub '\(hub.path)' has upstream and no keys, so its requests have no signature and the application cannot know who sends them: add keys: [\"${HUB_KEY}\"]"
                    ))
            }
            if let bytes = hub.messageBytes, bytes > max(messageBytes, batchBytes) {
                found.append(
                    .warning(
                        ["hubs", "limits.message_bytes"],
                        "message_bytes of the hub '\(hub.path)' is more than limits.message_bytes and limits.batch_bytes, so it is never reached"
                    ))
            }
            if let taken = Dialect.at(path: hub.path)?.path
                ?? (Self.takenHubPaths.first { $0.utf8.elementsEqual(hub.path.utf8) })
            {
                found.append(.error(["hubs"], "a hub cannot have the path '\(taken)': something else is there"))
            }
        }
        return found
    }
}

extension HubRule {
    /// What may be shown of it.
    var text: String {
        let names = methods.map { "\($0.action.rawValue): \(String(decoding: $0.name, as: UTF8.self))" }
        return "{path: \(path), prefix: \(String(decoding: prefix, as: UTF8.self)), everyone: \(everyone)"
            + ", keys: \(keys.count), methods: {\(names.joined(separator: ", "))}"
            + (upstream == nil ? "" : ", upstream: set")
            + (messageBytes.map { ", message_bytes: \($0)" } ?? "") + ", token_ttl: \(tokenSeconds)s}"
    }
}

extension Value {
    /// The shortest key of a hub, in bytes: what HMAC-SHA-256 is worth (RFC 7518 3.2).
    static var hubKeyBytes: Int { 32 }

    static func hubPath(_ text: String) throws(ValueError) -> String {
        guard (2...128).contains(text.utf8.count), text.hasPrefix("/"), !text.hasSuffix("/"), !text.contains("//"),
            !text.hasSuffix("/negotiate"),
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"?#%\"\\".utf8.contains($0) })
        else {
            throw ValueError(
                message:
                    "'\(text)' cannot be the path of a hub; right would be /chat: 2 to 128 visible ASCII characters, without ? # % and no slash at the end"
            )
        }
        return text
    }

    /// A URL in which `{hub}`, `{category}` and `{event}` may stand for what they say.
    static func upstream(_ text: String) throws(ValueError) -> String {
        var plain = text
        for name in UpstreamTemplate.parameters { plain = plain.replacingOccurrences(of: "{\(name)}", with: name) }
        guard !plain.contains("{"), !plain.contains("}") else {
            throw ValueError(
                message:
                    "'\(text)' has something else in braces than {hub}, {category} and {event}; right would be https://app.example.com/{hub}/{category}/{event}"
            )
        }
        _ = try url(plain)
        return text
    }

    /// What names of groups' channels begin with. 64 bytes, so that there is room for what follows.
    static func groupPrefix(_ text: String) throws(ValueError) -> String {
        guard (1...64).contains(text.utf8.count), ChannelName.objection(to: Array(text.utf8)) == nil else {
            throw ValueError(
                message:
                    "'\(text)' cannot begin the name of a channel: right is 1 to 64 bytes without spaces, not beginning with $"
            )
        }
        return text
    }
}
