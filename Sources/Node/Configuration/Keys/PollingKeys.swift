extension ConfigurationKey {
    /// Sessions without a connection, whose clients ask for messages (long polling).
    static let polling: [ConfigurationKey] = [
        .init(
            "limits.poll_timeout", "duration", default: "90s", reload: .now,
            "How long a long polling request waits for messages. It is then answered without any, and the client asks again. Has to be shorter than the timeouts of proxies in front of the node."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.polling.timeout = try Value.duration(text, .seconds(1)...(.seconds(600)))
        },
        .init(
            "limits.poll_gap", "duration", default: "15s", reload: .now,
            "How long a session over long polling is kept while no request of its client waits for messages. After it, the session is closed."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.polling.gap = try Value.duration(text, .milliseconds(100)...(.seconds(600)))
        },
        .init(
            "limits.poll_bytes", "size", default: "256KiB", reload: .now,
            "Maximum size of the messages in one long polling answer. The others wait for the next request. A single larger message is sent alone."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.polling.bytes = try Value.size(text, 1024...(16 << 20))
        },
    ]
}
