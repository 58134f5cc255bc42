import Authentication

extension ConfigurationKey {
    /// Who a client is.
    static let authentication: [ConfigurationKey] = [
        .init(
            "auth.required", "true | false", default: "false", reload: .newSessions,
            "Refuse clients that have no valid token and that the connect hook does not admit."
        ) {
            (configuration, text) throws(ValueError) in configuration.authRequired = try Value.flag(text)
        },
        .init(
            "auth.leeway", "duration", default: "30s", reload: .newSessions,
            "Clock difference to the token issuer that is tolerated when a token's `exp` and `nbf` are checked. 0 tolerates none."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.authLeeway = try Value.duration(text, .zero...(.seconds(TokenRules.maximumLeeway)))
        },
        .init(
            "auth.require_expiry", "true | false", default: "true", reload: .newSessions,
            "Refuse tokens without an `exp` claim."
        ) {
            (configuration, text) throws(ValueError) in configuration.authRequiresExpiry = try Value.flag(text)
        },
        .init(
            "auth.cookie", "text", default: "none", reload: .newSessions,
            "Name of a cookie that may contain the token. Requires a list of origins in client.origins."
        ) {
            (configuration, text) throws(ValueError) in configuration.authCookie = try Value.cookie(text)
        },
        .init(
            "auth.personal_channel", "text", default: "none", reload: .newSessions,
            "Prefix of the personal channel of a user. Each session of user 42 is subscribed to PREFIX42 when it logs in, for example '#42'."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.authPersonalPrefix = try Value.channelPrefix(text)
        },
        .init(
            "auth.refresh_grace", "duration", default: "25s", reload: .newSessions,
            "Time that a centrifuge client has to send a new token after its token has expired. After it, the session is closed."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.authGrace = try Value.duration(text, .zero...(.seconds(3600)))
        },
        .init(
            "auth.revocation_lifetime", "duration", default: "720h", reload: .now,
            "Time that a revocation without expires_at is kept. It must be at least as long as your tokens are valid."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.authRevocationLifetime = try Value.duration(text, .seconds(1)...(.seconds(10 * 8784 * 3600)))
        },
        .init(
            "auth.connect_hook.url", "URL", default: "none", reload: .newSessions, isSecret: true,
            "URL of the connect hook. For a client without a token, the node sends a POST request to it to ask who the client is."
        ) { (configuration, text) throws(ValueError) in configuration.connectHookURL = try Value.url(text) },
        .init(
            "auth.connect_hook.timeout", "duration", default: "3s", reload: .newSessions,
            "Time limit for the response of the connect hook. After it, the client is told to try again."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.connectHookTimeout = try Value.duration(text, .milliseconds(50)...(.seconds(60)))
        },
        .init(
            "auth.connect_hook.concurrency", "number", default: "256", reload: .newSessions,
            "Maximum number of concurrent requests to the connect hook. Further clients are told to try again."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.connectHookConcurrency = try Value.number(text, 1...65_536)
        },
    ]
}
