extension ConfigurationKey {
    /// Whether clients are still there.
    static let liveness: [ConfigurationKey] = [
        .init(
            "liveness.ping_interval", "duration", default: "25s", reload: .restart,
            "Interval between pings to a client. A raw client that has sent something in the meantime is not pinged."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.pingInterval = try Value.duration(text, .seconds(1)...(.seconds(3600)))
        },
        .init(
            "liveness.pong_timeout", "duration", default: "8s", reload: .now,
            "Time limit for the answer to a ping. After it, the session is closed. Must be shorter than liveness.ping_interval."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.pongTimeout = try Value.duration(text, .milliseconds(500)...(.seconds(600)))
        },
    ]

    /// How the node lets its sessions go.
    static let drain: [ConfigurationKey] = [
        .init(
            "drain.wait", "duration", default: "3s", reload: .now,
            "First phase of a drain: time that the node reports not ready but still accepts clients, so that balancers notice."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.drain.wait = try Value.duration(text, .zero...(.seconds(3600)))
        },
        .init(
            "drain.window", "duration", default: "10s", reload: .now,
            "Second phase of a drain: the node accepts no new clients and tells its sessions to reconnect, spread over this time. 0 tells all at once."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.drain.window = try Value.duration(text, .zero...(.seconds(3600)))
        },
        .init(
            "drain.timeout", "duration", default: "30s", reload: .now,
            "Maximum duration of a drain. After it, the drain ends even if sessions are left. Must be at least drain.wait plus drain.window."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.drain.timeout = try Value.duration(text, .zero...(.seconds(7200)))
        },
    ]

    /// What is logged.
    static let log: [ConfigurationKey] = [
        .init(
            "log.format", "text | json", default: "text", reload: .now,
            "Log format: text (for people) or json (for programs). Each event is one line."
        ) {
            (configuration, text) throws(ValueError) in configuration.logFormat = try Value.choice(text)
        },
        .init(
            "log.audit", "all | actions | off", default: "actions", reload: .now,
            "Which API calls that change something are logged: all, actions (all except publications) or off."
        ) { (configuration, text) throws(ValueError) in configuration.audit = try Value.choice(text) },
        .init(
            "log.level", "debug | info | warning | error", default: "info", reload: .now,
            "Lowest severity that is logged."
        ) {
            (configuration, text) throws(ValueError) in configuration.logLevel = try Value.choice(text)
        },
    ]
}
