/// The section `upstream`.
extension ConfigurationKey {
    static let upstream: [ConfigurationKey] = [
        .init(
            "upstream.rpc_url", "URL", default: "none", reload: .now, isSecret: true,
            "URL of the application that answers rpc of centrifuge clients. The node sends a POST request for each. Without it, rpc is refused."
        ) { (configuration, text) throws(ValueError) in configuration.rpcURL = try Value.url(text) },
        .init(
            "upstream.timeout", "duration", default: "5s", reload: .now,
            "Time limit for the response of an upstream endpoint (upstream.rpc_url, upstream of hubs). After it, the client gets an error."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.upstreamTimeout = try Value.duration(text, .milliseconds(50)...(.seconds(300)))
        },
        .init(
            "upstream.concurrency", "number", default: "256", reload: .now,
            "Maximum number of concurrent requests to upstream endpoints. Further calls get an error."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.upstreamConcurrency = try Value.number(text, 1...65_536)
        },
        .init(
            "upstream.calls_per_session", "number", default: "8", reload: .now,
            "Maximum number of calls of one session that wait for an upstream endpoint. Further calls get an error."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.upstreamCallsPerSession = try Value.number(text, 1...65_536)
        },
        .init(
            "upstream.answer_bytes", "size", default: "256KiB", reload: .now,
            "Maximum size of the response of an upstream endpoint. A larger one counts as a failure."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.upstreamAnswerBytes = try Value.size(text, 1024...(16 << 20))
        },
        .init(
            "upstream.breaker_failures", "number", default: "10", reload: .now,
            "Number of failures in a row after which an upstream endpoint gets no requests for upstream.breaker_pause. 0 means that it always gets them."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.upstreamFailures = try Value.number(text, 0...1_000_000)
        },
        .init(
            "upstream.breaker_pause", "duration", default: "5s", reload: .now,
            "Time for which a failing upstream endpoint gets no requests. Then one request tries whether it is back."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.upstreamPause = try Value.duration(text, .milliseconds(50)...(.seconds(3600)))
        },
    ]
}
