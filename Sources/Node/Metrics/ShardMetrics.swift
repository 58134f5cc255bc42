extension ShardCounters {
    /// Every counter with its name and what it counts: what is here is in the metrics and in the documentation.
    package static var described: [(name: String, help: String, path: WritableKeyPath<ShardCounters, UInt64>)] {
        [
            ("connections_accepted", "Client connections accepted.", \.accepted),
            ("sessions_opened", "Sessions opened.", \.opened),
            ("sessions_closed", "Sessions closed.", \.closed),
            ("handshakes_refused", "Client requests refused before a session was opened.", \.refusedHandshakes),
            (
                "handshake_timeouts",
                "Client connections closed because the request was not complete and answered within limits.handshake_timeout.",
                \.handshakeTimeouts
            ),
            (
                "sessions_refused",
                "Client connections closed right after accept because limits.sessions or the open file limit was reached.",
                \.refusedSessions
            ),
            ("messages_received", "Messages received from clients.", \.messagesIn),
            ("received_bytes", "Bytes received from clients.", \.bytesIn),
            ("sent_bytes", "Bytes sent to clients.", \.bytesOut),
            ("sends", "Sends of data to clients, each by a system call of its own or in a batch.", \.sends),
            ("batched_sends", "Of carillon_sends_total: sends in batches, through io_uring.", \.batchedSends),
            (
                "batched_sends_left_out",
                "Sends that the kernel did not take with their batch, for example because memory was short, and that were made one by one.",
                \.sendsLeftOut
            ),
            ("send_batches", "Batches of sends. Each takes one system call (node.io_uring).", \.sendBatches),
            (
                "publications",
                "Publications received by the reactors for their subscribers. Each reactor counts a publication once.",
                \.publications
            ),
            ("deliveries", "Publications delivered to sessions. Each session counts.", \.deliveries),
            (
                "passes",
                "Fan-out passes. A pass sends a batch of one channel's publications to all its subscribers on a reactor.",
                \.passes
            ),
            ("client_publishes", "Publications received from clients.", \.published),
            (
                "client_publishes_refused",
                "Publications from clients that were not permitted or that the backplane did not accept.",
                \.refusedPublishes
            ),
            ("protocol_errors", "Sessions closed because of a protocol violation.", \.protocolErrors),
            (
                "messages_oversized",
                "Sessions closed because of limits.message_bytes, limits.batch_bytes or limits.fragments, and calls of hubs refused because they are too large as JSON.",
                \.oversizedMessages
            ),
            (
                "discard_limit_hits",
                "Connections cut because their clients went on sending after the node had said goodbye.",
                \.discardLimitHits
            ),
            ("channel_limit_hits", "Subscriptions refused because of limits.channels_per_session.", \.channelLimitHits),
            (
                "slow_disconnects",
                "Sessions closed as slow consumers (limits.outbound_bytes, limits.outbound_bytes_node).",
                \.slowDisconnects
            ),
            ("slow_dropped_bytes", "Bytes dropped from the outbound queues of slow consumers.", \.slowBytesDropped),
            (
                "slow_dropped_publications",
                "Publications not delivered to slow consumers of drop_oldest channels. Each session counts.",
                \.slowDroppedOldest
            ),
            (
                "slow_replaced_publications",
                "Publications replaced by newer ones for slow consumers of latest channels. Each session counts.",
                \.slowReplaced
            ),
            ("slow_announcements", "Times a slow consumer was told that it missed publications.", \.slowAnnouncements),
            ("node_outbound_limit_hits", "Times limits.outbound_bytes_node was reached.", \.nodeOutboundLimitHits),
            (
                "backlog_overruns", "Times a channel's backlog on a reactor was full because fan-out did not keep up.",
                \.backlogOverruns
            ),
            (
                "publications_overrun", "Publications discarded because a channel's backlog was full.",
                \.publicationsOverrun
            ),
            (
                "publishers_paused",
                "Times the node paused reading from a publishing session because the channel's backlog or the link did not keep up.",
                \.publishersPaused
            ),
            (
                "pongs_missed", "Sessions closed because they did not answer a ping within liveness.pong_timeout.",
                \.missedPongs
            ),
            (
                "subscribe_timeouts", "Subscriptions refused because the backplane did not confirm them in time.",
                \.subscribeTimeouts
            ),
            ("write_errors", "Sessions closed because sending to the client failed.", \.writeErrors),
            ("handshake_limit_hits", "Client connections closed because of limits.handshakes.", \.handshakeLimitHits),
            (
                "address_limit_hits",
                "Client connections closed because of limits.sessions_per_address or limits.handshakes_per_address.",
                \.addressLimitHits
            ),
            ("connect_rate_hits", "Clients refused because of limits.connects_per_second.", \.connectRateHits),
            (
                "address_connect_rate_hits", "Clients refused because of limits.connects_per_address_per_second.",
                \.addressConnectRateHits
            ),
            (
                "publish_rate_hits",
                "Times limits.publish_rate made the node refuse a publication or read from a session more slowly.",
                \.publishRateHits
            ),
            ("subscribe_rate_hits", "Commands refused because of limits.subscribe_rate.", \.subscribeRateHits),
            ("control_rate_hits", "Sessions closed because of limits.control_rate.", \.controlRateHits),
            ("login_rate_hits", "connect and refresh commands refused because of limits.login_rate.", \.loginRateHits),
            (
                "command_rate_hits", "Times limits.command_rate made the node read from a session more slowly.",
                \.commandRateHits
            ),
            (
                "reply_limit_hits",
                "Replies shortened or refused because of limits.outbound_bytes or limits.outbound_bytes_node.",
                \.replyLimitHits
            ),
            (
                "faults",
                "Inconsistent internal states that the node detected and ignored. Each one is a bug: report it.",
                \.faults
            ),
            (
                "command_requests", "Requests with commands (/emulation) that were handed to their session.",
                \.commandRequests
            ),
            (
                "command_requests_refused",
                "Requests with commands that were refused: malformed, for an unknown or unreachable session, or too much waits for it.",
                \.commandRequestsRefused
            ),
            (
                "request_rate_hits",
                "Requests with commands or a publication refused because of limits.requests_per_second or limits.requests_per_address_per_second.",
                \.requestRateHits
            ),
            (
                "publish_requests", "Publications by POST /publish that were accepted.", \.publishRequests
            ),
            (
                "publish_requests_refused",
                "Publications by POST /publish that were refused: not permitted, too fast, malformed, or without a link to the other nodes.",
                \.publishRequestsRefused
            ),
            (
                "requests_oversized", "Client requests refused because of limits.request_bytes.", \.oversizedRequests
            ),
            ("negotiations", "Negotiations of hub clients that were answered.", \.negotiations),
            (
                "connection_tokens_refused",
                "Hub clients refused because their connection token was invalid or had expired. Clients then negotiate again.",
                \.connectionTokensRefused
            ),
            (
                "sessions_cut", "Sessions that were kept for their client when its connection was cut (resume.time).",
                \.sessionsCut
            ),
            ("sessions_resumed", "Sessions resumed by their client on another connection.", \.sessionsResumed),
            (
                "sessions_taken_over", "Sessions that were resumed on this node and came from another one.",
                \.sessionsTakenOver
            ),
            (
                "sessions_handed_over", "Sessions that were resumed on another node and were on this one before.",
                \.sessionsHandedOver
            ),
            (
                "handovers_failed",
                "Sessions lost on their way from one node to another. The client is told and reconnects. The leaving and the arriving node both count.",
                \.handoversFailed
            ),
            (
                "sessions_rebuilt",
                "Sessions resumed on this node after their node had died, from their record and the history of their channels.",
                \.sessionsRebuilt
            ),
            (
                "rebuilds_failed",
                "Sessions of dead nodes that had a record and could not be rebuilt. The client is told and reconnects.",
                \.rebuildsFailed
            ),
            (
                "rebuilds_unordered",
                "Of carillon_rebuilds_failed_total: several channels had publications since the record, so their order is not known.",
                \.rebuildsUnordered
            ),
            (
                "rebuilds_too_old",
                "Of carillon_rebuilds_failed_total: the history of a channel does not reach back to the record.",
                \.rebuildsTooOld
            ),
            (
                "rebuilds_unkept",
                "Of carillon_rebuilds_failed_total: something was sent to the user, to the connection or to everybody since the record, and no history has it.",
                \.rebuildsUnkept
            ),
            ("session_records", "Records of sessions that were written to Redis (resume.records).", \.sessionRecords),
            (
                "session_records_withdrawn",
                "Records of sessions that were withdrawn, because the session was about to be sent something that no history has, or sent something itself.",
                \.sessionRecordsWithdrawn
            ),
            (
                "resume_timeouts", "Sessions closed because their client did not come back within resume.time.",
                \.resumeTimeouts
            ),
            (
                "resumes_refused",
                "Clients that wanted to resume a session that is not on this node or cannot be resumed. Clients then reconnect.",
                \.resumesRefused
            ),
            (
                "resume_limit_hits",
                "Sessions that cannot be resumed any more because of resume.messages, resume.bytes or resume.bytes_node.",
                \.resumeLimitHits
            ),
            (
                "resume_repeats",
                "Messages that a client sent again after it resumed its session, and that were ignored.",
                \.resumeRepeats
            ),
            ("polls", "Long polling requests answered with messages by a session of this node.", \.polls),
            (
                "poll_timeouts",
                "Long polling requests answered without messages because of limits.poll_timeout.", \.pollTimeouts
            ),
            (
                "polls_replaced",
                "Long polling requests answered with 204 because their client sent another one.", \.pollsReplaced
            ),
            (
                "polls_refused",
                "Long polling requests that this node refused: no such session, another user, another transport, or the other nodes could not be asked.",
                \.pollsRefused
            ),
            (
                "poll_answers_returned",
                "Long polling answers that did not reach their client. The client's next request gets them.",
                \.pollAnswersReturned
            ),
            (
                "poll_answers_lost",
                "Sessions closed because it is not known whether their client received a long polling answer. The client then reconnects.",
                \.pollAnswersLost
            ),
            (
                "poll_gap_timeouts",
                "Sessions closed because their client sent no long polling request for limits.poll_gap.",
                \.pollGapTimeouts
            ),
            (
                "message_timeouts", "Sessions closed because a message was not complete within limits.message_timeout.",
                \.messageTimeouts
            ),
            (
                "proxy_refused",
                "Connections reset because the peer's address is not in client.proxy_protocol.trusted.",
                \.proxyRefused
            ),
            (
                "proxy_errors", "Connections closed without a valid PROXY header within client.proxy_protocol.timeout.",
                \.proxyErrors
            ),
            ("tls_handshakes", "TLS handshakes with clients that succeeded.", \.tlsHandshakes),
            ("tls_errors", "TLS handshakes with clients that failed.", \.tlsErrors),
            ("user_limit_hits", "Sessions refused because of limits.sessions_per_user.", \.userLimitHits),
            (
                "unauthorized",
                "Requests and commands refused because the token is missing or invalid, or because the connect hook said no.",
                \.unauthorized
            ),
            (
                "asked",
                "Client connections that needed a request to the connect hook or for token keys before they were accepted or refused.",
                \.asked
            ),
            (
                "upstream_calls_per_session_hits",
                "Calls of clients refused because of upstream.calls_per_session.", \.callsPerSessionHits
            ),
            (
                "undecided",
                "Clients and commands refused because the connect hook or the token keys were not available in time.",
                \.undecided
            ),
            (
                "recovered", "Subscriptions recovered: the returning client got all publications it had missed.",
                \.recovered
            ),
            (
                "unrecovered",
                "Subscriptions not recovered: the returning client was told that it missed publications.", \.unrecovered
            ),
            ("lost_announcements", "Subscribers told that publications are lost.", \.lostAnnouncements),
            (
                "presence_limit_hits",
                "Presence commands refused because a channel has too many members for one reply.",
                \.presenceLimitHits
            ),
            ("expired", "Sessions and subscriptions closed because their token expired.", \.expired),
            ("revoked", "Sessions and subscriptions closed because their token was revoked.", \.revoked),
            (
                "revoked_refused", "Requests and commands refused because their token was revoked.", \.revokedRefused
            ),
            (
                "incomplete_limit_hits", "Sessions closed because of limits.incomplete_bytes_node.",
                \.incompleteLimitHits
            ),
            (
                "deltas_made",
                "Publications written as deltas. Each counts once per reactor and variant, not once per subscriber.",
                \.deltasMade
            ),
            (
                "deltas_not_made",
                "Publications written complete for subscribers with deltas, because there was nothing to make a delta of or it would not have been smaller. Each counts once per reactor and variant.",
                \.deltasNotMade
            ),
            (
                "delta_limit_hits",
                "Publications that were not kept to make a delta because of limits.delta_bytes or limits.delta_bytes_node.",
                \.deltaLimitHits
            ),
            (
                "filtered_publications",
                "Publications not delivered because of the subscriber's tag filter. Each session counts.", \.filtered
            ),
            (
                "filters_refused",
                "Subscriptions refused because their tag filter was invalid, too large or not allowed in the channel.",
                \.filtersRefused
            ),
            (
                "filter_limit_hits",
                "Subscriptions refused because of limits.filter_bytes or limits.filter_bytes_node.", \.filterLimitHits
            ),
        ]
    }

    mutating func add(_ other: ShardCounters) {
        for (_, _, path) in Self.described { self[keyPath: path] &+= other[keyPath: path] }
    }
}
