import Authentication
import Backplane
import Codec
import Reactor

/// A key of the configuration: its name, what it takes, what it does. One table serves the reader, the environment, the
/// commented defaults and the documentation, so that they cannot tell different stories.
package struct ConfigurationKey: Sendable {
    /// `section.key`
    package let path: String
    package let type: String
    /// As it would be written in YAML.
    package let defaultText: String
    package let summary: String
    package let isSecret: Bool
    let set: @Sendable (inout Configuration, String) throws(ValueError) -> Void

    init(
        _ path: String, _ type: String, default defaultText: String, isSecret: Bool = false, _ summary: String,
        set: @escaping @Sendable (inout Configuration, String) throws(ValueError) -> Void
    ) {
        self.path = path
        self.type = type
        self.defaultText = defaultText
        self.summary = summary
        self.isSecret = isSecret
        self.set = set
    }

    /// The variable that overrides it.
    package var variable: String {
        "CARILLON_" + path.uppercased().map { $0 == "." ? "_" : String($0) }.joined()
    }
}

extension ConfigurationKey {
    /// Every scalar key, in the order of the documentation.
    package static let all: [ConfigurationKey] = [
        .init("node.name", "text", default: "the host's name", "What the node is called in tables and logs.") {
            (configuration, text) throws(ValueError) in configuration.nodeName = try Value.name(text)
        },
        .init("node.reactors", "number", default: "0", "Threads that serve clients; 0 is one per core.") {
            (configuration, text) throws(ValueError) in configuration.reactors = try Value.number(text, 0...64)
        },
        .init("client.listen", "address", default: "0.0.0.0:8000", "Where clients connect: IP:PORT or unix:/PATH.") {
            (configuration, text) throws(ValueError) in configuration.clientListen = try Value.address(text)
        },
        .init(
            "client.proxy_protocol.mode", "off | required", default: "off",
            "Whether every connection begins with a PROXY header (v1 or v2) of a balancer."
        ) { (configuration, text) throws(ValueError) in configuration.proxy.mode = try Value.choice(text) },
        .init("client.proxy_protocol.timeout", "duration", default: "5s", "How long that header may take.") {
            (configuration, text) throws(ValueError) in
            configuration.proxy.timeout = try Value.duration(text, .milliseconds(100)...(.seconds(60)))
        },
        .init(
            "client.compression.enabled", "true | false", default: "true",
            "permessage-deflate for clients that offer it; a broadcast is compressed once for all of them."
        ) { (configuration, text) throws(ValueError) in configuration.compression.isOn = try Value.flag(text) },
        .init("client.compression.min_bytes", "size", default: "256", "Smaller messages are not compressed.") {
            (configuration, text) throws(ValueError) in
            configuration.compression.minimumBytes = try Value.size(text, 0...(16 << 20))
        },
        .init("client.compression.level", "number", default: "3", "1 is fast, 9 is small.") {
            (configuration, text) throws(ValueError) in
            configuration.compression.level = try Value.number(text, 1...9)
        },
        .init(
            "client.tls.certificate", "file", default: "none", "Certificates of the client port (PEM), its own first."
        ) {
            (configuration, text) throws(ValueError) in configuration.clientTLS.certificate = text
        },
        .init("client.tls.key", "file", default: "none", "Its private key (PEM). Both are read again on SIGHUP.") {
            (configuration, text) throws(ValueError) in configuration.clientTLS.key = text
        },
        .init(
            "client.tls.client_certificates", "ignored | requested | required", default: "ignored",
            "Whether clients show certificates too."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.clientTLS.clientCertificates = try Value.choice(text)
        },
        .init(
            "client.tls.listen", "address", default: "none",
            "A port of its own for TLS, beside client.listen without; else client.listen speaks TLS."
        ) { (configuration, text) throws(ValueError) in configuration.clientTLSListen = try Value.address(text) },
        .init("client.tls.authorities", "file", default: "none", "Who signs the clients' certificates (PEM).") {
            (configuration, text) throws(ValueError) in configuration.clientTLS.authorities = text
        },
        .init("admin.listen", "address", default: "127.0.0.1:8001", "Where the API, metrics and health are.") {
            (configuration, text) throws(ValueError) in configuration.adminListen = try Value.tcpAddress(text)
        },
        .init(
            "admin.token", "text", default: "none", isSecret: true,
            "Bearer token of the API; required when admin.listen is not loopback."
        ) { (configuration, text) throws(ValueError) in configuration.adminToken = try Value.token(text) },
        .init("admin.connections", "number", default: "256", "Connections of the admin listener at once; more wait.") {
            (configuration, text) throws(ValueError) in
            configuration.adminConnections = try Value.number(text, 1...10_000)
        },
        .init(
            "admin.idle_timeout", "duration", default: "30s", "How long one of them may be silent before it is closed."
        ) { (configuration, text) throws(ValueError) in
            configuration.adminIdleTimeout = try Value.duration(text, .seconds(1)...(.seconds(3600)))
        },
        .init(
            "admin.tls.certificate", "file", default: "none", "Certificates of the admin listener (PEM), its own first."
        ) {
            (configuration, text) throws(ValueError) in configuration.adminTLS.certificate = text
        },
        .init("admin.tls.key", "file", default: "none", "Its private key (PEM).") {
            (configuration, text) throws(ValueError) in configuration.adminTLS.key = text
        },
        .init("backplane.kind", "memory | redis", default: "memory", "What joins the nodes; memory is one node alone.")
        {
            (configuration, text) throws(ValueError) in configuration.backplane = try Value.choice(text)
        },
        .init(
            "backplane.redis.url", "URL", default: "redis://127.0.0.1:6379", isSecret: true,
            "redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, or unix:///PATH."
        ) { (configuration, text) throws(ValueError) in try RedisURL.apply(text, to: &configuration) },
        .init(
            "backplane.redis.tls.verify", "full | ca | none", default: "full",
            "What Redis' certificate has to be: signed and for this host, signed, or anything."
        ) { (configuration, text) throws(ValueError) in
            configuration.redisTLS.verification = try Value.choice(text)
        },
        .init("backplane.redis.tls.authorities", "file", default: "the system's", "Who signs it (PEM).") {
            (configuration, text) throws(ValueError) in configuration.redisTLS.authorities = text
        },
        .init("backplane.redis.tls.server_name", "name", default: "the URL's host", "Whom it has to be for.") {
            (configuration, text) throws(ValueError) in configuration.redisTLS.serverName = text
        },
        .init("backplane.redis.tls.certificate", "file", default: "none", "The node's own certificate for Redis (PEM).")
        {
            (configuration, text) throws(ValueError) in configuration.redisTLS.certificate = text
        },
        .init("backplane.redis.tls.key", "file", default: "none", "Its private key (PEM).") {
            (configuration, text) throws(ValueError) in configuration.redisTLS.key = text
        },
        .init(
            "backplane.redis.master", "name", default: "mymaster",
            "What the sentinels call the master; with backplane.redis.sentinels."
        ) { (configuration, text) throws(ValueError) in
            configuration.redisSentinel.master = try Value.name(text)
        },
        .init("backplane.redis.sentinel_user", "text", default: "none", "ACL user at the sentinels.") {
            (configuration, text) throws(ValueError) in configuration.redisSentinel.user = text
        },
        .init(
            "backplane.redis.sentinel_password", "text", default: "none", isSecret: true, "Password at the sentinels."
        ) {
            (configuration, text) throws(ValueError) in configuration.redisSentinel.password = text
        },
        .init("backplane.redis.user", "text", default: "none", "ACL user.") {
            (configuration, text) throws(ValueError) in configuration.redis.user = text
        },
        .init("backplane.redis.password", "text", default: "none", isSecret: true, "Password.") {
            (configuration, text) throws(ValueError) in configuration.redis.password = text
        },
        .init("backplane.redis.database", "number", default: "0", "Database number.") {
            (configuration, text) throws(ValueError) in configuration.redis.database = try Value.number(text, 0...65535)
        },
        .init(
            "backplane.redis.prefix", "text", default: "carillon",
            "In front of every key and channel; the nodes of a cluster share it."
        ) { (configuration, text) throws(ValueError) in configuration.redis.prefix = try Value.prefix(text) },
        .init("backplane.redis.connect_timeout", "duration", default: "2s", "For connecting and logging in.") {
            (configuration, text) throws(ValueError) in
            configuration.redis.connectTimeout = try Value.duration(text, .milliseconds(100)...(.seconds(60)))
        },
        .init("backplane.redis.publish_wait", "duration", default: "5s", "How long a publish waits for a lost link.") {
            (configuration, text) throws(ValueError) in
            configuration.redis.publishWait = try Value.duration(text, .milliseconds(100)...(.seconds(300)))
        },
        .init("backplane.redis.publish_buffer_bytes", "size", default: "4MiB", "What may wait for a lost link.") {
            (configuration, text) throws(ValueError) in
            configuration.redis.publishBufferBytes = try Value.size(text, 65536...(1 << 30))
        },
        .init("auth.required", "true | false", default: "false", "Whether a client needs a token, or the hook's word.")
        {
            (configuration, text) throws(ValueError) in configuration.authRequired = try Value.flag(text)
        },
        .init("auth.leeway", "duration", default: "30s", "How far the issuer's clock may be off.") {
            (configuration, text) throws(ValueError) in
            configuration.authLeeway = try Value.duration(text, .zero...(.seconds(TokenRules.maximumLeeway)))
        },
        .init("auth.require_expiry", "true | false", default: "true", "Whether a token has to have an `exp`.") {
            (configuration, text) throws(ValueError) in configuration.authRequiresExpiry = try Value.flag(text)
        },
        .init(
            "auth.cookie", "text", default: "none", "A cookie that may hold the token; needs client.origins as a list."
        ) {
            (configuration, text) throws(ValueError) in configuration.authCookie = try Value.cookie(text)
        },
        .init(
            "auth.refresh_grace", "duration", default: "25s",
            "How long a centrifuge client may take to bring a new token when its own has expired."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.authGrace = try Value.duration(text, .zero...(.seconds(3600)))
        },
        .init(
            "auth.connect_hook.url", "URL", default: "none", isSecret: true,
            "Asked with POST who a client without a token is."
        ) { (configuration, text) throws(ValueError) in configuration.connectHookURL = try Value.url(text) },
        .init("auth.connect_hook.timeout", "duration", default: "3s", "How long the answer may take.") {
            (configuration, text) throws(ValueError) in
            configuration.connectHookTimeout = try Value.duration(text, .milliseconds(50)...(.seconds(60)))
        },
        .init("auth.connect_hook.concurrency", "number", default: "256", "Questions under way at a time.") {
            (configuration, text) throws(ValueError) in
            configuration.connectHookConcurrency = try Value.number(text, 1...65_536)
        },
        .init("limits.message_bytes", "size", default: "64KiB", "The largest message of a client.") {
            (configuration, text) throws(ValueError) in
            configuration.messageBytes = try Value.size(text, 125...(16 << 20))
        },
        .init("limits.fragments", "number", default: "1024", "Frames of one message.") {
            (configuration, text) throws(ValueError) in
            configuration.fragments = try Value.number(text, 1...1_000_000)
        },
        .init("limits.channels_per_session", "number", default: "128", "Subscriptions of one session.") {
            (configuration, text) throws(ValueError) in
            configuration.channelsPerSession = try Value.number(text, 1...10_000)
        },
        .init(
            "limits.outbound_bytes", "size", default: "1MiB", "What may wait for one session; more is a slow consumer."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.outboundBytes = try Value.size(text, 4096...(1 << 30))
        },
        .init("limits.outbound_bytes_node", "size", default: "512MiB", "What may wait for all sessions together.") {
            (configuration, text) throws(ValueError) in
            configuration.outboundBytesNode = try Value.size(text, 1 << 20...(1 << 40))
        },
        .init("limits.sessions", "number", default: "1000000", "Sessions of one node; open files bound it too.") {
            (configuration, text) throws(ValueError) in
            configuration.sessions = try Value.number(text, 1...16_000_000)
        },
        .init(
            "limits.sessions_per_address", "number", default: "0",
            "Connections of one address (IPv6: of one /64); 0 is no limit. Behind a balancer use client.proxy_protocol."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.sessionsPerAddress = try Value.number(text, 0...16_000_000)
        },
        .init("limits.sessions_per_user", "number", default: "0", "Sessions of one user on a node; 0 is no limit.") {
            (configuration, text) throws(ValueError) in
            configuration.sessionsPerUser = try Value.number(text, 0...16_000_000)
        },
        .init(
            "limits.handshakes", "number", default: "4096",
            "Connections whose request is not complete and answered yet."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.handshakes = try Value.number(text, 1...16_000_000)
        },
        .init(
            "limits.handshakes_per_address", "number", default: "0", "The same of one address; 0 is no limit."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.handshakesPerAddress = try Value.number(text, 0...16_000_000)
        },
        .init(
            "limits.connects_per_second", "number", default: "5000",
            "Clients that may connect to the node a second; 0 is no limit. More are told to come back later."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.connectRate = try Value.number(text, 0...1_000_000)
        },
        .init("limits.connects_burst", "number", default: "20000", "Clients that may connect to the node at once.") {
            (configuration, text) throws(ValueError) in
            configuration.connectBurst = try Value.number(text, 1...16_000_000)
        },
        .init(
            "limits.connects_per_address_per_second", "number", default: "0",
            "The same of one address (IPv6: of one /64); 0 is no limit. Many people may share one address."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.connectRatePerAddress = try Value.number(text, 0...1_000_000)
        },
        .init(
            "limits.connects_per_address_burst", "number", default: "100", "Clients of one address that may at once."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.connectBurstPerAddress = try Value.number(text, 1...1_000_000)
        },
        .init("limits.handshake_timeout", "duration", default: "10s", "For the whole request of a new client.") {
            (configuration, text) throws(ValueError) in
            configuration.handshakeTimeout = try Value.duration(text, .milliseconds(100)...(.seconds(120)))
        },
        .init(
            "limits.connect_timeout", "duration", default: "10s", "For the centrifuge `connect` after the handshake."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.connectTimeout = try Value.duration(text, .milliseconds(100)...(.seconds(120)))
        },
        .init("limits.message_timeout", "duration", default: "30s", "From a message's first byte to its last.") {
            (configuration, text) throws(ValueError) in
            configuration.messageTimeout = try Value.duration(text, .milliseconds(100)...(.seconds(3600)))
        },
        .init(
            "limits.incomplete_bytes_node", "size", default: "256MiB",
            "What all sessions together may hold of messages that are not complete."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.incompleteBytesNode = try Value.size(text, 1 << 20...(1 << 40))
        },
        .init(
            "limits.publish_rate", "number", default: "1000", "Publications of one session a second; 0 is no limit."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.publishRate = try Value.number(text, 0...1_000_000)
        },
        .init("limits.publish_burst", "number", default: "2000", "Publications of one session at once.") {
            (configuration, text) throws(ValueError) in
            configuration.publishBurst = try Value.number(text, 1...1_000_000)
        },
        .init(
            "limits.subscribe_rate", "number", default: "100", "Subscriptions of one session a second; 0 is no limit."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.subscribeRate = try Value.number(text, 0...1_000_000)
        },
        .init("limits.subscribe_burst", "number", default: "256", "Subscriptions of one session at once.") {
            (configuration, text) throws(ValueError) in
            configuration.subscribeBurst = try Value.number(text, 1...1_000_000)
        },
        .init(
            "limits.control_rate", "number", default: "20", "Pings and pongs of one session a second; 0 is no limit."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.controlRate = try Value.number(text, 0...1_000_000)
        },
        .init("limits.control_burst", "number", default: "50", "Pings and pongs of one session at once.") {
            (configuration, text) throws(ValueError) in
            configuration.controlBurst = try Value.number(text, 1...1_000_000)
        },
        .init("liveness.ping_interval", "duration", default: "25s", "How often a silent client is asked for a sign.") {
            (configuration, text) throws(ValueError) in
            configuration.pingInterval = try Value.duration(text, .seconds(1)...(.seconds(3600)))
        },
        .init("liveness.pong_timeout", "duration", default: "8s", "How long it has to answer.") {
            (configuration, text) throws(ValueError) in
            configuration.pongTimeout = try Value.duration(text, .milliseconds(500)...(.seconds(600)))
        },
        .init(
            "drain.wait", "duration", default: "3s",
            "When it is asked to stop: how long the node only says that it is not ready, so that balancers notice."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.drain.wait = try Value.duration(text, .zero...(.seconds(3600)))
        },
        .init(
            "drain.window", "duration", default: "10s",
            "Then it takes no new clients, and the leaving of its sessions is spread over this time."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.drain.window = try Value.duration(text, .zero...(.seconds(3600)))
        },
        .init("drain.timeout", "duration", default: "30s", "After this it ends, whoever is left.") {
            (configuration, text) throws(ValueError) in
            configuration.drain.timeout = try Value.duration(text, .zero...(.seconds(7200)))
        },
        .init("log.format", "text | json", default: "text", "One line per event, for people or for programs.") {
            (configuration, text) throws(ValueError) in configuration.logFormat = try Value.choice(text)
        },
        .init(
            "log.audit", "all | actions | off", default: "all",
            "Which changing calls of the API are logged: all, all but publications, none."
        ) { (configuration, text) throws(ValueError) in configuration.audit = try Value.choice(text) },
        .init("log.level", "debug | info | warning | error", default: "info", "What is not logged.") {
            (configuration, text) throws(ValueError) in configuration.logLevel = try Value.choice(text)
        },
    ]

    package static let byPath: [String: ConfigurationKey] = Dictionary(
        uniqueKeysWithValues: all.map { ($0.path, $0) })

    /// Keys that hold lists.
    package static let lists: [(path: String, summary: String)] = [
        (
            "backplane.redis.sentinels",
            "Sentinels that say where the master is, as HOST:PORT; the host of backplane.redis.url does not count then."
        ),
        ("client.origins", "Web pages that may connect, as scheme://host[:port]; * is any; default: the same host."),
        ("client.proxy_protocol.trusted", "Addresses and ranges of the balancers, as 10.0.0.0/8 or ::1."),
        (
            "auth.keys",
            "Keys of tokens, each { secret | file | jwks_file | jwks_url: …, id, algorithm, refresh, allow_http }."
        ),
        ("auth.audiences", "One of these has to be the token's `aud`; default: any."),
        ("auth.issuers", "One of these has to be the token's `iss`; default: any."),
        ("channels", "Rules for channels; the first whose pattern matches counts."),
    ]

    static func summary(ofList path: String) -> String { lists.first { $0.path == path }?.summary ?? "" }

    /// The keys of a rule in `channels`.
    package static let ruleKeys = ["match", "subscribe", "publish", "slow", "history", "cache", "presence"]
    package static let historyKeys = ["size", "ttl"]
    package static let presenceKeys = ["join_leave", "grace"]

    /// Every path that has keys below it.
    static let sections: Set<String> = {
        var found: Set<String> = [""]
        for path in all.map(\.path) + lists.map(\.path) {
            var parts = path.split(separator: ".")
            while parts.count > 1 {
                parts.removeLast()
                found.insert(parts.joined(separator: "."))
            }
        }
        return found
    }()
}
