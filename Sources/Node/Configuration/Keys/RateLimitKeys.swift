extension ConfigurationKey {
    /// How fast a session may send.
    static let rateLimits: [ConfigurationKey] = [
        .init(
            "limits.publish_rate", "number", default: "1000", reload: .now,
            "Maximum number of publications per second and session. One to a channel with history counts as 8. 0 means no limit."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.publishRate = try Value.number(text, 0...1_000_000)
        },
        .init("limits.publish_burst", "number", default: "2000", reload: .now, "Burst size of limits.publish_rate.") {
            (configuration, text) throws(ValueError) in
            configuration.publishBurst = try Value.number(text, 1...1_000_000)
        },
        .init(
            "limits.subscribe_rate", "number", default: "100", reload: .now,
            "Maximum number of subscribe, sub_refresh, history and presence commands per second and session, weighted by their cost. 0 means no limit."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.subscribeRate = try Value.number(text, 0...1_000_000)
        },
        .init("limits.subscribe_burst", "number", default: "256", reload: .now, "Burst size of limits.subscribe_rate.")
        {
            (configuration, text) throws(ValueError) in
            configuration.subscribeBurst = try Value.number(text, 1...1_000_000)
        },
        .init(
            "limits.login_rate", "number", default: "1", reload: .now,
            "Maximum number of connect and refresh commands per second and session. 0 means no limit."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.loginRate = try Value.number(text, 0...1_000_000)
        },
        .init("limits.login_burst", "number", default: "10", reload: .now, "Burst size of limits.login_rate.") {
            (configuration, text) throws(ValueError) in
            configuration.loginBurst = try Value.number(text, 1...1_000_000)
        },
        .init(
            "limits.command_rate", "number", default: "1000", reload: .now,
            "Maximum number of other commands per second and session (unsubscribe, send, rpc, pong). The node reads more slowly from a session that exceeds it. 0 means no limit."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.commandRate = try Value.number(text, 0...1_000_000)
        },
        .init("limits.command_burst", "number", default: "2000", reload: .now, "Burst size of limits.command_rate.") {
            (configuration, text) throws(ValueError) in
            configuration.commandBurst = try Value.number(text, 1...1_000_000)
        },
        .init(
            "limits.control_rate", "number", default: "20", reload: .now,
            "Maximum number of WebSocket pings and pongs per second from one session. A session that exceeds it is closed. 0 means no limit."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.controlRate = try Value.number(text, 0...1_000_000)
        },
        .init("limits.control_burst", "number", default: "50", reload: .now, "Burst size of limits.control_rate.") {
            (configuration, text) throws(ValueError) in
            configuration.controlBurst = try Value.number(text, 1...1_000_000)
        },
    ]
}
