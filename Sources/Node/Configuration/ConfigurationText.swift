import Authentication
import Backplane
import Codec

/// The configuration as text for people: the commented defaults, and the documentation's table.
package enum ConfigurationText {
    /// A whole YAML file in which every key has its default and says what it is for.
    package static var defaults: String {
        var lines = [
            "# Every key with its default. Leave out what you do not change.",
            "# An environment variable overrides a key: client.listen is CARILLON_CLIENT_LISTEN. Lists have commas between",
            "# their entries there; channels, hubs, webhooks and auth.keys are YAML.",
            "# ${NAME} in a value is replaced by the environment variable NAME.",
        ]
        var open: [String] = []
        for key in ConfigurationKey.all {
            let parts = key.path.split(separator: ".").map(String.init)
            let sections = Array(parts.dropLast())
            for depth in sections.indices where Array(open.prefix(depth + 1)) != Array(sections.prefix(depth + 1)) {
                if depth == 0 { lines.append("") }
                // A section in which nothing is set is a comment too.
                let prefix = sections.prefix(depth + 1).joined(separator: ".") + "."
                let isSet = ConfigurationKey.all.contains { $0.path.hasPrefix(prefix) && Self.isShown($0) }
                lines.append(indent(depth) + (isSet ? "" : "# ") + "\(sections[depth]):")
                open = Array(sections.prefix(depth + 1))
            }
            open = sections
            let isShown = Self.isShown(key)
            let line = "\(parts.last!): \(isShown ? quoted(key.defaultText) : "…")"
            lines.append(
                indent(sections.count) + (isShown ? "" : "# ") + line + "    # \(key.summary)"
                    + (isShown ? "" : " Default: \(key.defaultText)."))
            if key.path == "client.listen" {
                lines.append(
                    indent(1)
                        + "# origins: [\"https://app.example.com\"]    # \(ConfigurationKey.summary(ofList: "client.origins"))"
                )
            }
        }
        lines += [
            "", "# \(ConfigurationKey.summary(ofList: "channels"))",
            "# subscribe: anyone | user | granted | nobody · publish: client | user | granted | server (the API only)",
            "# slow: disconnect | drop_oldest | latest, for subscribers that do not keep up",
            "channels:", "  - { match: \"*\", subscribe: anyone, publish: server, slow: disconnect }",
            "", "# \(ConfigurationKey.summary(ofList: "hubs"))",
            "# hubs:",
            "#   - { path: /chat, prefix: \"chat:\", methods: { join: JoinGroup, leave: LeaveGroup, send_to_group: SendToGroup } }",
            "", "# \(ConfigurationKey.summary(ofList: "webhooks"))",
            "# webhooks:",
            "#   - { url: \"https://app.example.com/events\", secret: \"${WEBHOOK_SECRET}\", events: [channel_occupied, channel_vacated] }",
            "",
        ]
        return lines.joined(separator: "\n")
    }

    /// Whether there is a default that could be written down, and not a description of one.
    private static func isShown(_ key: ConfigurationKey) -> Bool {
        key.defaultText != "none" && !key.defaultText.contains(" ")
    }

    private static func indent(_ depth: Int) -> String { String(repeating: "  ", count: depth) }

    private static func quoted(_ text: String) -> String { text.contains(":") ? "\"\(text)\"" : text }

    /// The table of keys in Markdown.
    package static var table: String {
        var lines = ["| key | takes | default | reload | what it is |", "| --- | --- | --- | --- | --- |"]
        for key in ConfigurationKey.all {
            let type = key.type.split(separator: "|").map { $0.split(separator: " ").joined(separator: " ") }
                .joined(separator: ", ")
            lines.append("| `\(key.path)` | \(type) | \(key.defaultText) | \(key.reload.rawValue) | \(key.summary) |")
        }
        for list in ConfigurationKey.lists {
            lines.append("| `\(list.path)` | list | | \(list.reload.rawValue) | \(list.summary) |")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension Configuration {
    /// What the node runs with, secrets left out: pairs of key and value, in the order of the documentation.
    package var effective: [(path: String, value: String)] {
        var all: [(path: String, value: String)] = ConfigurationKey.all.map { key in
            guard let text = given[key.path] else { return (key.path, key.defaultText) }
            return (key.path, key.isSecret ? "(secret)" : text)
        }
        // Secret only as far as it has a password in it.
        if let index = all.firstIndex(where: { $0.path == "backplane.redis.url" }) {
            all[index].value = "\(redis.endpoint)"
        }
        all.append(("client.origins", origins.text))
        all.append(("client.proxy_protocol.trusted", proxy.trusted.map(\.description).joined(separator: ", ")))
        all.append(
            ("backplane.redis.sentinels", redisSentinel.addresses.map(\.description).joined(separator: ", ")))
        all.append(("backplane.redis.shards", redisShards.map(\.text).joined(separator: ", ")))
        all.append(("backplane.redis.leaving", redis.leaving.joined(separator: ", ")))
        all.append(("backplane.redis.cluster", redis.cluster.map(\.description).joined(separator: ", ")))
        all.append(("auth.keys", authKeys.map(\.origin).joined(separator: ", ")))
        all.append(("auth.connect_hook.forward", connectHookForwarding.names.sorted().joined(separator: ", ")))
        all.append(
            ("auth.connect_hook.proxies", connectHookForwarding.proxies.map(\.description).joined(separator: ", ")))
        all.append(("auth.audiences", authAudiences.joined(separator: ", ")))
        all.append(("auth.issuers", authIssuers.joined(separator: ", ")))
        all.append(("channels", channels.map(\.text).joined(separator: " ")))
        all.append(("hubs", hubs.map(\.text).joined(separator: " ")))
        all.append(("webhooks", webhooks.map(\.text).joined(separator: " ")))
        return all
    }
}

extension ChannelRule {
    var text: String {
        "{match: \(match), subscribe: \(subscribe.rawValue), publish: \(publish.rawValue), slow: \(slow.rawValue)"
            + (history.map { ", history: {size: \($0.size), ttl: \($0.timeToLive)ms}" } ?? "")
            + (isCache ? ", cache: true" : "") + (isOccupancyKnown ? ", occupancy: true" : "")
            + (delta == .none ? "" : ", delta: \(delta.rawValue)") + (allowsFilters ? ", filters: true" : "")
            + (publishHook == nil ? "" : ", publish_hook: set") + (subscribeHook == nil ? "" : ", subscribe_hook: set")
            + (presence.map { ", presence: {join_leave: \($0.joinLeaveText), grace: \($0.grace)ms}" } ?? "") + "}"
    }
}

extension PresenceSettings {
    var joinLeaveText: String { isPerSession ? "sessions" : announces ? "users" : "false" }
}

extension OriginRule {
    fileprivate var text: String {
        switch self {
        case .sameHost: "the same host"
        case .any: "*"
        case .listed(let origins): origins.sorted().joined(separator: " ")
        }
    }
}
