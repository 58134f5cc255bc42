import Codec
import Reactor

extension ConfigurationKey {
    /// The node itself.
    static let node: [ConfigurationKey] = [
        .init(
            "node.name", "text", default: "the host's name", reload: .restart,
            "Name of the node in tables and logs. Give every node of a cluster a different name."
        ) {
            (configuration, text) throws(ValueError) in configuration.nodeName = try Value.name(text)
        },
        .init(
            "node.reactors", "number", default: "0", reload: .restart,
            "Number of reactor threads that serve clients. 0 means one per CPU core."
        ) {
            (configuration, text) throws(ValueError) in configuration.reactors = try Value.number(text, 0...64)
        },
        .init(
            "node.io_uring", "auto | off", default: "auto", reload: .restart,
            "How the node sends to clients: auto sends in batches through io_uring where the kernel and the container allow it, and otherwise one by one; off always sends one by one."
        ) {
            (configuration, text) throws(ValueError) in configuration.ioUring = try Value.choice(text)
        },
    ]

    /// Where clients connect, and how.
    static let client: [ConfigurationKey] = [
        .init(
            "client.listen", "address, or a list", default: "0.0.0.0:8000", reload: .restart, takesSeveral: true,
            "Addresses of the client listener: IP:PORT or unix:/PATH. For both IPv4 and IPv6, list one address of each: [\"0.0.0.0:8000\", \"[::]:8000\"]."
        ) { (configuration, text) throws(ValueError) in configuration.clientListen = try Value.addresses(text) },
        .init(
            "client.proxy_protocol.mode", "off | required", default: "off", reload: .newSessions,
            "If required, every client connection must begin with a PROXY protocol header (v1 or v2) from a trusted balancer."
        ) { (configuration, text) throws(ValueError) in configuration.proxy.mode = try Value.choice(text) },
        .init(
            "client.proxy_protocol.timeout", "duration", default: "5s", reload: .newSessions,
            "Time limit for receiving the complete PROXY header. After it, the connection is closed."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.proxy.timeout = try Value.duration(text, .milliseconds(100)...(.seconds(60)))
        },
        .init(
            "client.compression.enabled", "true | false", default: "true", reload: .newSessions,
            "Use permessage-deflate with WebSocket clients that offer it. A broadcast is compressed once, not once per client."
        ) { (configuration, text) throws(ValueError) in configuration.compression.isOn = try Value.flag(text) },
        .init(
            "client.compression.min_bytes", "size", default: "256", reload: .now,
            "Smallest message that is compressed. 0 compresses every message."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.compression.minimumBytes = try Value.size(text, 0...(16 << 20))
        },
        .init(
            "client.compression.level", "number", default: "3", reload: .now,
            "Compression level, from 1 (fastest) to 9 (smallest output)."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.compression.level = try Value.number(text, 1...9)
        },
        .init(
            "client.tls.certificate", "file", default: "none", reload: .newSessions,
            "Certificate chain of the client listener (PEM), server certificate first. Read again at each reload."
        ) {
            (configuration, text) throws(ValueError) in configuration.clientTLS.certificate = text
        },
        .init(
            "client.tls.key", "file", default: "none", reload: .newSessions,
            "Private key for client.tls.certificate (PEM). Read again at each reload."
        ) {
            (configuration, text) throws(ValueError) in configuration.clientTLS.key = text
        },
        .init(
            "client.tls.client_certificates", "ignored | requested | required", default: "ignored",
            reload: .newSessions,
            "Client certificates (mutual TLS): ignored, requested (verified if the client sends one) or required."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.clientTLS.clientCertificates = try Value.choice(text)
        },
        .init(
            "client.tls.listen", "address, or a list", default: "none", reload: .restart, takesSeveral: true,
            "Separate TLS listener, beside the plaintext client.listen. If unset, client.listen serves TLS when client.tls.certificate is set."
        ) { (configuration, text) throws(ValueError) in configuration.clientTLSListen = try Value.addresses(text) },
        .init(
            "client.tls.authorities", "file", default: "none", reload: .newSessions,
            "CA certificates that verify the client certificates (PEM). Read again at each reload."
        ) {
            (configuration, text) throws(ValueError) in configuration.clientTLS.authorities = text
        },
        .init(
            "client.tls.records", "own | openssl", default: "own", reload: .newSessions,
            "What encrypts after a handshake with TLS 1.3: own (Carillon with OpenSSL's ciphers, needs less memory and CPU) or openssl (OpenSSL alone). Handshakes and TLS 1.2 always belong to OpenSSL."
        ) {
            (configuration, text) throws(ValueError) in configuration.clientTLS.records = try Value.choice(text)
        },
    ]

    /// The admin listener.
    static let admin: [ConfigurationKey] = [
        .init(
            "admin.listen", "address", default: "127.0.0.1:8001", reload: .restart,
            "Address of the admin listener, IP:PORT. It serves the API, the page, metrics and health checks."
        ) {
            (configuration, text) throws(ValueError) in configuration.adminListen = try Value.tcpAddress(text)
        },
        .init(
            "admin.token", "text", default: "none", reload: .now, isSecret: true,
            "Bearer token that the admin listener requires. Must be set if admin.listen is not a loopback address."
        ) { (configuration, text) throws(ValueError) in configuration.adminToken = try Value.token(text) },
        .init(
            "admin.api_key", "text", default: "none", reload: .now, isSecret: true,
            "Key for applications that use only the server API (POST /api/METHOD): X-API-Key. admin.token opens it too."
        ) { (configuration, text) throws(ValueError) in configuration.adminAPIKey = try Value.token(text) },
        .init(
            "admin.connections", "number", default: "256", reload: .now,
            "Maximum number of open connections of the admin listener. Further connections wait until one closes."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.adminConnections = try Value.number(text, 1...10_000)
        },
        .init(
            "admin.idle_timeout", "duration", default: "30s", reload: .restart,
            "Time after which an idle connection of the admin listener is closed."
        ) { (configuration, text) throws(ValueError) in
            configuration.adminIdleTimeout = try Value.duration(text, .seconds(1)...(.seconds(3600)))
        },
        .init(
            "admin.event_streams", "number", default: "8", reload: .now,
            "Maximum number of open event streams of the admin listener: events, tails of channels and traces of connections. Further requests get 503."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.eventStreams = try Value.number(text, 0...1000)
        },
        .init(
            "admin.traces", "number", default: "4", reload: .now,
            "Maximum number of connections of this node that are traced at the same time (GET /api/v1/connections/{id}/trace). Further requests get 503. 0 allows no traces."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.traces = try Value.number(text, 0...100)
        },
        .init(
            "admin.shown_rate", "number", default: "500", reload: .now,
            "Maximum number of publications that a tail shows per second, and of messages that a trace shows per second. Further ones are counted."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.shownRate = try Value.number(text, 1...10_000)
        },
        .init(
            "admin.shown_bytes", "size", default: "4KiB", reload: .now,
            "Maximum number of bytes that a tail or a trace shows of one payload. Longer payloads are truncated."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.shownBytes = try Value.size(text, 16...(64 << 10))
        },
        .init(
            "admin.tls.certificate", "file", default: "none", reload: .restart,
            "Certificate chain of the admin listener (PEM), server certificate first. Read only at startup."
        ) {
            (configuration, text) throws(ValueError) in configuration.adminTLS.certificate = text
        },
        .init(
            "admin.tls.key", "file", default: "none", reload: .restart,
            "Private key for admin.tls.certificate (PEM). Read only at startup."
        ) {
            (configuration, text) throws(ValueError) in configuration.adminTLS.key = text
        },
    ]
}
