extension ConfigurationKey {
    /// Who may come in: how many, how fast, and how long that may take.
    static let connectLimits: [ConfigurationKey] = [
        .init(
            "limits.sessions", "number", default: "1000000", reload: .now,
            "Maximum number of client connections of the node. The open file limit of the process applies too."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.sessions = try Value.number(text, 1...16_000_000)
        },
        .init(
            "limits.sessions_per_address", "number", default: "0", reload: .now,
            "Maximum number of connections per client address (IPv6: per /64 network). 0 means no limit. Behind a balancer, use client.proxy_protocol."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.sessionsPerAddress = try Value.number(text, 0...16_000_000)
        },
        .init(
            "limits.sessions_per_user", "number", default: "0", reload: .now,
            "Maximum number of sessions per user on the node. 0 means no limit."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.sessionsPerUser = try Value.number(text, 0...16_000_000)
        },
        .init(
            "limits.handshakes", "number", default: "4096", reload: .now,
            "Maximum number of connections whose request is incomplete or not answered yet. Further connections are closed."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.handshakes = try Value.number(text, 1...16_000_000)
        },
        .init(
            "limits.handshakes_per_address", "number", default: "0", reload: .now,
            "Maximum number of connections per client address (IPv6: per /64 network) whose request is incomplete or not answered yet. 0 means no limit."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.handshakesPerAddress = try Value.number(text, 0...16_000_000)
        },
        .init(
            "limits.connects_per_second", "number", default: "5000", reload: .now,
            "Maximum number of clients per second that may connect to the node. 0 means no limit. Further clients get 503 with Retry-After."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.connectRate = try Value.number(text, 0...1_000_000)
        },
        .init(
            "limits.connects_burst", "number", default: "20000", reload: .now,
            "Burst size of limits.connects_per_second."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.connectBurst = try Value.number(text, 1...16_000_000)
        },
        .init(
            "limits.connects_per_address_per_second", "number", default: "0", reload: .now,
            "Maximum number of clients per second that may connect from one address (IPv6: from one /64 network). 0 means no limit. Further clients get 429 with Retry-After. Many users may share one address."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.connectRatePerAddress = try Value.number(text, 0...1_000_000)
        },
        .init(
            "limits.connects_per_address_burst", "number", default: "100", reload: .now,
            "Burst size of limits.connects_per_address_per_second."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.connectBurstPerAddress = try Value.number(text, 1...1_000_000)
        },
        .init(
            "limits.requests_per_second", "number", default: "20000", reload: .now,
            "Maximum number of requests with commands (/emulation) or a publication (/publish) per second that the node accepts. 0 means no limit. Further requests get 429."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.requestRate = try Value.number(text, 0...1_000_000)
        },
        .init(
            "limits.requests_burst", "number", default: "40000", reload: .now,
            "Burst size of limits.requests_per_second."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.requestBurst = try Value.number(text, 1...1_000_000)
        },
        .init(
            "limits.requests_per_address_per_second", "number", default: "0", reload: .now,
            "Maximum number of requests with commands or a publication per second from one address (IPv6: from one /64 network). 0 means no limit. Further requests get 429. Many users may share one address."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.requestRatePerAddress = try Value.number(text, 0...1_000_000)
        },
        .init(
            "limits.requests_per_address_burst", "number", default: "100", reload: .now,
            "Burst size of limits.requests_per_address_per_second."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.requestBurstPerAddress = try Value.number(text, 1...1_000_000)
        },
        .init(
            "limits.forward_bytes", "size", default: "16MiB", reload: .now,
            "Maximum total size of requests with commands on their way to other nodes. Each counts as at least 1 KiB. Further requests get 503."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.forwardBytes = try Value.size(text, 1 << 20...(1 << 30))
        },
        .init(
            "limits.handshake_timeout", "duration", default: "10s", reload: .newSessions,
            "Time limit from accepting a connection until its request is complete and answered, including TLS."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.handshakeTimeout = try Value.duration(text, .milliseconds(100)...(.seconds(120)))
        },
        .init(
            "limits.connect_timeout", "duration", default: "10s", reload: .newSessions,
            "Time limit for the `connect` command of a centrifuge client after the WebSocket handshake."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.connectTimeout = try Value.duration(text, .milliseconds(100)...(.seconds(120)))
        },
    ]
}
