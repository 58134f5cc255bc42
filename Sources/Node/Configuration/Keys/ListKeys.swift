/// A key that holds a list.
package struct ConfigurationList: Sendable {
    package let path: String
    package let reload: ReloadEffect
    package let summary: String

    init(_ path: String, reload: ReloadEffect, _ summary: String) {
        self.path = path
        self.reload = reload
        self.summary = summary
    }
}

extension ConfigurationKey {
    /// Keys that hold lists.
    package static let lists: [ConfigurationList] = [
        .init(
            "backplane.redis.sentinels", reload: .restart,
            "Addresses of the Redis Sentinels, as HOST:PORT. The sentinels name the master. The host of backplane.redis.url is ignored then."
        ),
        .init(
            "backplane.redis.shards", reload: .restart,
            "Several Redis servers among which the channels are divided, in place of backplane.redis.url: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE][#NAME], or redis-sentinel://HOST:PORT,HOST:PORT#MASTER. All nodes need the same list, but for the time of a rolling restart that changes it."
        ),
        .init(
            "backplane.redis.leaving", reload: .restart,
            "Names of servers in backplane.redis.shards that are to have no channels any more: the first step to remove them."
        ),
        .init(
            "backplane.redis.cluster", reload: .restart,
            "Addresses of servers of a Redis Cluster, as HOST:PORT, in place of backplane.redis.url. Any of them is enough: the node learns the others from it."
        ),
        .init(
            "client.origins", reload: .newSessions,
            "Origins of web pages that may connect: scheme://host[:port], https://*.example.com, or * for any. The list is complete: add the node's own host if it serves pages. Default: only pages of the host that the request names."
        ),
        .init(
            "client.proxy_protocol.trusted", reload: .newSessions,
            "Addresses and CIDR ranges of the balancers that may send a PROXY header, for example 10.0.0.0/8 or ::1."
        ),
        .init(
            "auth.keys", reload: .newSessions,
            "Keys that verify tokens. Each entry has one of secret, secret_file, file, jwks_file and jwks_url, and optionally id, algorithm, refresh and allow_http."
        ),
        .init(
            "auth.connect_hook.forward", reload: .newSessions,
            "Request headers that are passed to the connect hook. Default: authorization, cookie, origin, user-agent, x-forwarded-for, x-real-ip, x-request-id."
        ),
        .init(
            "auth.connect_hook.proxies", reload: .newSessions,
            "Addresses and CIDR ranges of HTTP proxies in front of the node, for example 10.0.0.0/8 or ::1. X-Forwarded-For, X-Real-IP and similar headers are passed to the connect hook only if they come from one of these."
        ),
        .init(
            "auth.audiences", reload: .newSessions, "Accepted values of a token's `aud` claim. Default: any."),
        .init("auth.issuers", reload: .newSessions, "Accepted values of a token's `iss` claim. Default: any."),
        .init(
            "channels", reload: .now, "Channel rules. The first rule whose pattern matches the channel applies."),
        .init(
            "hubs", reload: .now,
            "Hubs for SignalR clients. Each entry has a path, and optionally prefix, everyone, keys, methods, message_bytes and token_ttl."
        ),
        .init(
            "webhooks", reload: .now,
            "Applications that are told of events by HTTP. Each entry has a url and a secret, and optionally events, channels, retry_for, timeout, vacated_grace and allow_private."
        ),
    ]

    /// Lists whose entries are mappings: in the environment they are written as YAML.
    package static let structuredLists: Set<String> = ["auth.keys", "channels", "hubs", "webhooks"]

    static func summary(ofList path: String) -> String { lists.first { $0.path == path }?.summary ?? "" }

    /// The keys of a rule in `channels`.
    package static let ruleKeys = [
        "match", "subscribe", "publish", "slow", "history", "cache", "presence", "occupancy", "delta", "filters",
        "publish_hook", "subscribe_hook",
    ]
    /// The keys of an entry of `hubs`.
    package static let hubKeys = [
        "path", "prefix", "everyone", "keys", "methods", "upstream", "message_bytes", "token_ttl",
    ]
    /// The keys of an entry of `webhooks`.
    package static let webhookKeys = [
        "url", "secret", "events", "channels", "retry_for", "timeout", "vacated_grace", "allow_private",
    ]
    package static let historyKeys = ["size", "ttl"]
    package static let presenceKeys = ["join_leave", "grace"]
}
