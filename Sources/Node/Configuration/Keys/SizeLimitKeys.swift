import Codec

extension ConfigurationKey {
    /// How much a session, a reply, a channel or the node may hold.
    static let sizeLimits: [ConfigurationKey] = [
        .init(
            "limits.message_bytes", "size", default: "64KiB", reload: .now,
            "Maximum size of a message or command from a client, and of a publication through the API."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.messageBytes = try Value.size(text, 125...(16 << 20))
        },
        .init(
            "limits.batch_bytes", "size", default: "256KiB", reload: .now,
            "Maximum size of a WebSocket message from a centrifuge client. It may contain several commands of up to limits.message_bytes each. No effect if smaller than limits.message_bytes."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.batchBytes = try Value.size(text, 125...(16 << 20))
        },
        .init(
            "limits.request_bytes", "size", default: "256KiB", reload: .now,
            "Maximum size of the body of a client's HTTP request: the first commands of a stream, or commands for one (/emulation). A larger body is refused with 413."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.requestBytes = try Value.size(text, 1024...(1 << 20))
        },
        .init(
            "limits.fragments", "number", default: "1024", reload: .now,
            "Maximum number of WebSocket frames in one message."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.fragments = try Value.number(text, 1...1_000_000)
        },
        .init(
            "limits.channels_per_session", "number", default: "128", reload: .now,
            "Maximum number of subscriptions per session."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.channelsPerSession = try Value.number(text, 1...10_000)
        },
        .init(
            "limits.outbound_bytes", "size", default: "1MiB", reload: .now,
            "Maximum size of the outbound data queued for one session. A session that exceeds it is a slow consumer."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.outboundBytes = try Value.size(text, 4096...(1 << 30))
        },
        .init(
            "limits.outbound_bytes_node", "size", default: "512MiB", reload: .now,
            "Maximum size of the outbound data queued for all sessions of the node. Every reactor gets an equal share."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.outboundBytesNode = try Value.size(text, 1 << 20...(1 << 40))
        },
        .init(
            "limits.history_reads", "number", default: "8", reload: .now,
            "Maximum number of concurrent history reads for clients and the API. The node's own reads of publications it missed have a separate limit, four times this one."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.historyReads.reads = try Value.number(text, 1...1024)
        },
        .init(
            "limits.history_read_bytes", "size", default: "2MiB", reload: .now,
            "Maximum total size of the replies to the history reads that limits.history_reads counts. New publications on the link to Redis queue behind these replies."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.historyReads.bytes = try Value.size(text, 1 << 20...(64 << 20))
        },
        .init(
            "limits.presence_leaving", "number", default: "65536", reload: .now,
            "Maximum number of disconnected sessions that stay present for the grace period of their channels. Beyond it, a disconnected session leaves presence at once."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.presenceLeaving = try Value.number(text, 0...16_000_000)
        },
        .init(
            "limits.revocations", "number", default: "100000", reload: .now,
            "Maximum number of revocations of the cluster. Further revocations are refused."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.revocations = try Value.number(text, 0...1_000_000)
        },
        .init(
            "limits.event_bytes", "size", default: "16MiB", reload: .now,
            "Maximum number of bytes of events that wait for one listener, for example an event stream, and that one reactor collects in one turn. Further events are dropped, and the listener is told how many."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.eventBytes = try Value.size(text, 4096...(1 << 30))
        },
        .init(
            "limits.webhook_bytes", "size", default: "16MiB", reload: .restart,
            "Maximum number of bytes of events for webhooks that wait in the memory of a node until Redis has them. Further events are dropped."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.webhookBytes = try Value.size(text, 65_536...(1 << 30))
        },
        .init(
            "limits.webhook_pending_bytes", "size", default: "64MiB", reload: .now,
            "Maximum number of bytes of events that wait for one webhook in the cluster, and once more of its dead letters. Each of the eight queues of a webhook has an eighth. Further events are dropped; of dead letters, the oldest."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.webhookPendingBytes = try Value.size(text, 1 << 20...(4 << 30))
        },
        .init(
            "limits.message_timeout", "duration", default: "30s", reload: .now,
            "Time limit from the first byte of a message to its last. After it, the session is closed."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.messageTimeout = try Value.duration(text, .milliseconds(100)...(.seconds(3600)))
        },
        .init(
            "limits.incomplete_bytes_node", "size", default: "256MiB", reload: .now,
            "Maximum total size of incomplete messages in the node's memory. Every reactor gets an equal share."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.incompleteBytesNode = try Value.size(text, 1 << 20...(1 << 40))
        },
        .init(
            "limits.delta_bytes", "size", default: "64KiB", reload: .now,
            "Maximum size of a publication of which deltas are made, and which is kept to make the next one. Larger ones are sent complete. Applies to channels with delta: fossil."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.deltaBytes = try Value.size(text, 1...FossilDelta.maximumBytes)
        },
        .init(
            "limits.delta_bytes_node", "size", default: "64MiB", reload: .now,
            "Maximum total size of the publications that the node keeps to make deltas. Every reactor gets an equal share. Beyond it, publications are sent complete."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.deltaBytesNode = try Value.size(text, 0...(1 << 40))
        },
        .init(
            "limits.filter_bytes", "size", default: "16KiB", reload: .now,
            "Maximum total size of the tag filters of a session. Further subscriptions with a filter are refused."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.filterBytes = try Value.size(text, 1...(16 << 20))
        },
        .init(
            "limits.filter_bytes_node", "size", default: "64MiB", reload: .now,
            "Maximum total size of the tag filters in the node's memory. Equal filters of a channel count once per reactor. Every reactor gets an equal share."
        ) {
            (configuration, text) throws(ValueError) in
            configuration.filterBytesNode = try Value.size(text, 0...(1 << 40))
        },
    ]
}
