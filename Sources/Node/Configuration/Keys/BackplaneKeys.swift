import Backplane
import Reactor

extension ConfigurationKey {
    /// What joins the nodes.
    static let backplane: [ConfigurationKey] = [
        .init(
            "backplane.kind", "memory | redis", default: "memory", reload: .restart,
            "How the nodes of a cluster are connected: redis, or memory for a single node without Redis."
        ) {
            (configuration, text) throws(ValueError) in configuration.backplane = try Value.choice(text)
        },
        .init(
            "backplane.redis.url", "URL", default: "redis://127.0.0.1:6379", reload: .restart, isSecret: true,
            "Address of Redis: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, or unix:///PATH."
        ) { (configuration, text) throws(ValueError) in configuration.redisURL = try RedisURL(text) },
        .init(
            "backplane.redis.tls.enabled", "true | false", default: "as the URL says", reload: .restart,
            "Whether Redis is reached by TLS. Needed only with backplane.redis.cluster: elsewhere rediss:// says it."
        ) { (configuration, text) throws(ValueError) in configuration.redisTLS.isEnabled = try Value.flag(text) },
        .init(
            "backplane.redis.tls.verify", "full | ca | none", default: "full", reload: .restart,
            "How the certificate of Redis is verified: full (CA and host name), ca (CA only) or none."
        ) { (configuration, text) throws(ValueError) in
            configuration.redisTLS.verification = try Value.choice(text)
        },
        .init(
            "backplane.redis.tls.authorities", "file", default: "the system's", reload: .restart,
            "CA certificates that verify the certificate of Redis (PEM)."
        ) {
            (configuration, text) throws(ValueError) in configuration.redisTLS.authorities = text
        },
        .init(
            "backplane.redis.tls.server_name", "name", default: "the URL's host", reload: .restart,
            "Host name that the certificate of Redis must be valid for."
        ) {
            (configuration, text) throws(ValueError) in configuration.redisTLS.serverName = text
        },
        .init(
            "backplane.redis.tls.certificate", "file", default: "none", reload: .restart,
            "Client certificate that the node presents to Redis (PEM)."
        ) {
            (configuration, text) throws(ValueError) in configuration.redisTLS.certificate = text
        },
        .init(
            "backplane.redis.tls.key", "file", default: "none", reload: .restart,
            "Private key for backplane.redis.tls.certificate (PEM)."
        ) {
            (configuration, text) throws(ValueError) in configuration.redisTLS.key = text
        },
        .init(
            "backplane.redis.master", "name", default: "mymaster", reload: .restart,
            "Name under which the sentinels monitor the master. Used only with backplane.redis.sentinels."
        ) { (configuration, text) throws(ValueError) in
            configuration.redisSentinel.master = try Value.name(text)
        },
        .init(
            "backplane.redis.sentinel_user", "text", default: "none", reload: .restart,
            "ACL user for logging in to the sentinels."
        ) {
            (configuration, text) throws(ValueError) in configuration.redisSentinel.user = text
        },
        .init(
            "backplane.redis.sentinel_password", "text", default: "none", reload: .restart, isSecret: true,
            "Password for logging in to the sentinels."
        ) {
            (configuration, text) throws(ValueError) in configuration.redisSentinel.password = text
        },
        .init(
            "backplane.redis.user", "text", default: "none", reload: .restart,
            "ACL user for logging in to Redis. Requires backplane.redis.password."
        ) {
            (configuration, text) throws(ValueError) in configuration.redis.user = text
        },
        .init(
            "backplane.redis.password", "text", default: "none", reload: .restart, isSecret: true,
            "Password for logging in to Redis."
        ) {
            (configuration, text) throws(ValueError) in configuration.redis.password = text
        },
        .init(
            "backplane.redis.database", "number", default: "0", reload: .restart,
            "Number of the Redis database that holds the keys."
        ) {
            (configuration, text) throws(ValueError) in configuration.redis.database = try Value.number(text, 0...65535)
        },
        .init(
            "backplane.redis.prefix", "text", default: "carillon", reload: .restart,
            "Prefix of every key and channel in Redis. All nodes of a cluster must have the same prefix."
        ) { (configuration, text) throws(ValueError) in configuration.redis.prefix = try Value.prefix(text) },
        .init(
            "backplane.redis.connect_timeout", "duration", default: "2s", reload: .restart,
            "Time limit for connecting to Redis and logging in."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.redis.connectTimeout = try Value.duration(text, .milliseconds(100)...(.seconds(60)))
        },
        .init(
            "backplane.redis.ready_when", "all | any", default: "all", reload: .restart,
            "When the node is ready if several Redis servers join the nodes (backplane.redis.shards, backplane.redis.cluster): when all of them work, or as long as any works."
        ) { (configuration, text) throws(ValueError) in configuration.redis.readyWhen = try Value.choice(text) },
        .init(
            "backplane.redis.publish_wait", "duration", default: "4s", reload: .restart,
            "Time that a publication waits while the node has no link to Redis. After it, the publication is refused."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.redis.publishWait = try Value.duration(text, .milliseconds(100)...(.seconds(300)))
        },
        .init(
            "backplane.redis.publish_buffer_bytes", "size", default: "4MiB", reload: .restart,
            "Maximum total size of the publications that wait for the link to Redis. Further publications are refused."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.redis.publishBufferBytes = try Value.size(text, 65536...(1 << 30))
        },
    ]
}
