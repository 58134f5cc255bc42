/// How often the limits of a node were reached in the last minute. Pure: it is told the counts once a second.
package struct LimitWatch: Sendable {
    /// Seconds that are looked back.
    package static let window = 60

    /// The counts of the last seconds, oldest first: one more than there are differences.
    private var seconds: [[UInt64]] = []

    package init() {}

    /// A second is over.
    ///
    /// - Parameter counts: Of all limits, in their order.
    /// - Returns: The limits that were reached in this second and not in the minute before it, and how often.
    package mutating func look(_ counts: [UInt64]) -> [(limit: Int, hits: UInt64)] {
        defer {
            if seconds.count > Self.window { seconds.removeFirst() }
            seconds.append(counts)
        }
        guard let last = seconds.last, let first = seconds.first else { return [] }
        var begun: [(limit: Int, hits: UInt64)] = []
        for limit in counts.indices where limit < last.count && limit < first.count {
            let now = counts[limit] &- last[limit]
            if now > 0, last[limit] == first[limit] { begun.append((limit, now)) }
        }
        return begun
    }

    /// Of each limit, in their order; empty before the first second is over.
    package var hits: [UInt64] {
        guard let first = seconds.first, let last = seconds.last, first.count == last.count else { return [] }
        return zip(last, first).map { $0 &- $1 }
    }
}

/// A limit, the key that sets it, and the metric that counts it.
struct CountedLimit: Sendable {
    /// Of the metric, without what all have in common.
    let name: String
    let key: String
    let count: @Sendable (LimitCounts) -> UInt64

    private init(_ name: String, _ key: String, _ count: @escaping @Sendable (LimitCounts) -> UInt64) {
        self.name = name
        self.key = key
        self.count = count
    }

    var metric: String { "carillon_\(name)_total" }

    /// Every limit that has a key and a metric of its own.
    static let all: [CountedLimit] = [
        .init("sessions_refused", "limits.sessions") { $0.shards.refusedSessions },
        .init("handshake_limit_hits", "limits.handshakes") { $0.shards.handshakeLimitHits },
        .init("address_limit_hits", "limits.sessions_per_address") { $0.shards.addressLimitHits },
        .init("user_limit_hits", "limits.sessions_per_user") { $0.shards.userLimitHits },
        .init("connect_rate_hits", "limits.connects_per_second") { $0.shards.connectRateHits },
        .init("address_connect_rate_hits", "limits.connects_per_address_per_second") {
            $0.shards.addressConnectRateHits
        },
        .init("request_rate_hits", "limits.requests_per_second") { $0.shards.requestRateHits },
        .init("requests_oversized", "limits.request_bytes") { $0.shards.oversizedRequests },
        .init("messages_oversized", "limits.message_bytes") { $0.shards.oversizedMessages },
        .init("message_timeouts", "limits.message_timeout") { $0.shards.messageTimeouts },
        .init("incomplete_limit_hits", "limits.incomplete_bytes_node") { $0.shards.incompleteLimitHits },
        .init("channel_limit_hits", "limits.channels_per_session") { $0.shards.channelLimitHits },
        .init("publish_rate_hits", "limits.publish_rate") { $0.shards.publishRateHits },
        .init("subscribe_rate_hits", "limits.subscribe_rate") { $0.shards.subscribeRateHits },
        .init("command_rate_hits", "limits.command_rate") { $0.shards.commandRateHits },
        .init("control_rate_hits", "limits.control_rate") { $0.shards.controlRateHits },
        .init("login_rate_hits", "limits.login_rate") { $0.shards.loginRateHits },
        .init("slow_disconnects", "limits.outbound_bytes") { $0.shards.slowDisconnects },
        .init("node_outbound_limit_hits", "limits.outbound_bytes_node") { $0.shards.nodeOutboundLimitHits },
        .init("reply_limit_hits", "limits.outbound_bytes") { $0.shards.replyLimitHits },
        .init("delta_limit_hits", "limits.delta_bytes") { $0.shards.deltaLimitHits },
        .init("filter_limit_hits", "limits.filter_bytes") { $0.shards.filterLimitHits },
        .init("command_forward_limit_hits", "limits.forward_bytes") { $0.forwards },
        .init("history_reads_refused", "limits.history_reads") { $0.historyReads },
        .init("presence_grace_limit_hits", "limits.presence_leaving") { $0.presenceLeaving },
        .init("revocations_refused", "limits.revocations") { $0.revocations },
        .init("events_dropped", "limits.event_bytes") { $0.events },
        .init("event_streams_refused", "admin.event_streams") { $0.eventStreams },
        .init("traces_refused", "admin.traces") { $0.traces },
        .init("admin_connection_limit_hits", "admin.connections") { $0.adminConnections },
    ]
}

/// The counts of all limits at one time.
struct LimitCounts: Sendable {
    var shards = ShardCounters()
    var forwards: UInt64 = 0
    var historyReads: UInt64 = 0
    var presenceLeaving: UInt64 = 0
    var revocations: UInt64 = 0
    var events: UInt64 = 0
    var eventStreams: UInt64 = 0
    var traces: UInt64 = 0
    var adminConnections: UInt64 = 0
}
