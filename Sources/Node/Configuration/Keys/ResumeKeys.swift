extension ConfigurationKey {
    /// What is kept for clients whose connection was cut.
    static let resume: [ConfigurationKey] = [
        .init(
            "resume.time", "duration", default: "30s", reload: .now,
            "How long a session is kept after its connection was cut, for clients that can resume one (signalr). 0 turns this off: no client is offered it."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.resume.time = try Value.duration(text, .zero...(.seconds(3600)))
        },
        .init(
            "resume.messages", "number", default: "65536", reload: .now,
            "Maximum number of messages kept for a client that has not acknowledged them. Beyond it, its session cannot be resumed any more."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.resume.messages = try Value.number(text, 1...16_000_000)
        },
        .init(
            "resume.bytes", "size", default: "4MiB", reload: .now,
            "Maximum size of the messages kept for a client that has not acknowledged them. Beyond it, its session cannot be resumed any more."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.resume.bytes = try Value.size(text, 1024...(1 << 30))
        },
        .init(
            "resume.bytes_node", "size", default: "256MiB", reload: .now,
            "Maximum total size of the messages kept for clients that have not acknowledged them. A message for several clients counts for each. Every reactor gets an equal share. Sessions for which there is no room cannot be resumed any more."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.resume.bytesNode = try Value.size(text, 0...(1 << 40))
        },
        .init(
            "resume.records", "duration", default: "5s", reload: .now,
            "How often a session is recorded in Redis at most, so that it can be rebuilt from history if its node dies. Only sessions whose channels all have history are recorded. 0 turns this off."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.resume.records = try Value.duration(text, .zero...(.seconds(60)))
        },
    ]
}
