import Backplane
import Reactor
import Synchronization

/// The node's numbers in the Prometheus text format (version 0.0.4).
struct Prometheus {
    private var lines: [String] = []

    static func text(of node: RunningNode) async -> String {
        var page = Prometheus()
        var total = ShardCounters()
        var sessions: [Int] = []
        var busy: [UInt64] = []
        var backlog = 0
        for shard in node.shards {
            let snapshot = await shard.reactor.perform { shard.snapshot }
            total.add(snapshot.counters)
            sessions.append(snapshot.sessions)
            busy.append(snapshot.reactor.busy)
            backlog += snapshot.outboundBytes
        }
        let (link, channels, nodes, history) = await node.home.perform {
            (
                node.backplane.link, node.exchange.channelCount - 1, node.backplane.nodes.count,
                node.exchange.historyCounters
            )
        }
        let pauses = await node.listenerStatistics().reduce(0) { $0 + $1.pauses }

        page.gauge("sessions", "Connected clients.", byReactor: sessions.map(Double.init))
        page.gauge("channels", "Channels with subscribers on this node.", Double(channels))
        page.gauge("nodes", "Nodes of the cluster that are alive, as this one sees it.", Double(nodes))
        page.gauge("outbound_bytes", "Bytes that wait for sessions.", Double(backlog))
        page.gauge("memory_bytes", "Resident memory.", Double(ProcessUsage.residentBytes))
        page.counter("cpu_seconds_total", "CPU time.", Double(ProcessUsage.cpuNanoseconds) / 1e9)
        page.counter("reactor_busy_seconds_total", "Time not spent waiting.", byReactor: busy.map { Double($0) / 1e9 })
        for (name, help, path) in ShardCounters.described {
            page.counter("\(name)_total", help, Double(total[keyPath: path]))
        }
        page.counter("listener_pauses_total", "Times the listener paused: no room or no descriptors.", Double(pauses))
        page.gauge(
            "admin_connections", "Connections of the admin listener.",
            Double(node.adminConnections.open.load(ordering: .relaxed)))
        page.counter(
            "admin_connection_limit_hits_total", "Times the admin listener waited: admin.connections.",
            Double(node.adminConnections.limitHits.load(ordering: .relaxed)))
        page.counter(
            "log_lines_left_out_total", "Log lines not written, because too many of their kind came.",
            Double(LineLogHandler.leftOut))
        page.write(link)
        page.write(history)
        return page.lines.joined(separator: "\n") + "\n"
    }

    private mutating func write(_ link: LinkState) {
        gauge("link_up", "Whether the node is linked to the others.", link.phase == .linked ? 1 : 0)
        if let beat = link.lastBeat {
            gauge(
                "link_beat_age_seconds", "Since an own beat came back.",
                Double((MonotonicTime.now() - beat).wholeNanoseconds) / 1e9)
        }
        if let roundTrip = link.roundTrip {
            gauge("link_round_trip_seconds", "An own beat's way through the backplane.", Double(roundTrip) / 1e6)
        }
        gauge("link_waiting_publications", "Publications that wait for the link.", Double(link.waiting))
        gauge("link_channels", "Channels held at the backplane.", Double(link.channels))
        counter("link_reconnects_total", "Connections to Redis lost.", Double(link.reconnects))
        counter("link_resubscribed_channels_total", "Channels subscribed again.", Double(link.resubscribed))
        counter("link_published_total", "Publications the backplane took.", Double(link.published))
        counter("link_refused_total", "Publications it did not take.", Double(link.refused))
        counter("link_received_total", "Publications that came from it.", Double(link.received))
        counter(
            "link_failover_waits_total", "Times publications waited because the sentinels were replacing the master.",
            Double(link.failoverWaits))
        counter("link_bad_messages_total", "What came from it and was no envelope.", Double(link.badMessages))
        counter(
            "presence_reaped_total", "Members of nodes that died, which this node announced as gone.",
            Double(link.presenceReaped))
        counter(
            "history_losses_noted_total",
            "Losses this node knew of and noted in the channel's history, so that all nodes tell their clients.",
            Double(link.lossesNoted))
        counter(
            "history_acknowledgements_forgotten_total",
            "Channels whose last acknowledged position will not be looked up after a failover: there were more of them.",
            Double(link.acknowledgementsForgotten))
        counter("link_received_bytes_total", "Bytes from it.", Double(link.bytesIn))
        counter("link_sent_bytes_total", "Bytes to it.", Double(link.bytesOut))
    }

    private mutating func write(_ history: HistoryCounters) {
        counter("history_reads_total", "Reads of history at the backplane.", Double(history.reads))
        counter(
            "history_checks_total", "Questions to the backplane where a channel ends.", Double(history.checks))
        counter("history_gaps_total", "Holes in a channel that were noticed.", Double(history.gaps))
        counter("history_healed_total", "Publications read again and delivered in their place.", Double(history.healed))
        gauge(
            "history_heal_seconds",
            "After the last new link: until all channels with history were known to be whole.",
            Double(history.healTime) / 1e9)
        counter("history_lost_total", "Times publications could not be had any more.", Double(history.lost))
    }

    private mutating func head(_ name: String, _ help: String, _ type: String) {
        lines.append("# HELP carillon_\(name) \(help)")
        lines.append("# TYPE carillon_\(name) \(type)")
    }

    private mutating func gauge(_ name: String, _ help: String, _ value: Double) {
        head(name, help, "gauge")
        lines.append("carillon_\(name) \(Self.number(value))")
    }

    private mutating func counter(_ name: String, _ help: String, _ value: Double) {
        head(name, help, "counter")
        lines.append("carillon_\(name) \(Self.number(value))")
    }

    private mutating func gauge(_ name: String, _ help: String, byReactor values: [Double]) {
        head(name, help, "gauge")
        series(name, values)
    }

    private mutating func counter(_ name: String, _ help: String, byReactor values: [Double]) {
        head(name, help, "counter")
        series(name, values)
    }

    private mutating func series(_ name: String, _ values: [Double]) {
        for (reactor, value) in values.enumerated() {
            lines.append("carillon_\(name){reactor=\"\(reactor)\"} \(Self.number(value))")
        }
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }
}

extension ShardCounters {
    /// Every counter with its name and what it counts: what is here is in the metrics and in the documentation.
    package static var described: [(name: String, help: String, path: WritableKeyPath<ShardCounters, UInt64>)] {
        [
            ("connections_accepted", "Connections accepted.", \.accepted),
            ("sessions_opened", "Sessions opened.", \.opened),
            ("sessions_closed", "Sessions that ended.", \.closed),
            ("handshakes_refused", "Requests refused before a session was opened.", \.refusedHandshakes),
            ("handshake_timeouts", "Requests not complete within limits.handshake_timeout.", \.handshakeTimeouts),
            ("sessions_refused", "Connections closed because limits.sessions was reached.", \.refusedSessions),
            ("messages_received", "Messages from clients.", \.messagesIn),
            ("received_bytes", "Bytes from clients.", \.bytesIn),
            ("sent_bytes", "Bytes to clients.", \.bytesOut),
            ("sends", "System calls that sent to clients.", \.sends),
            ("publications", "Publications that reached the reactors.", \.publications),
            ("deliveries", "Publications handed to sessions.", \.deliveries),
            ("passes", "Walks over a channel's subscribers.", \.passes),
            ("client_publishes", "Publications by clients.", \.published),
            ("client_publishes_refused", "Publications by clients that were refused or lost.", \.refusedPublishes),
            ("protocol_errors", "Sessions ended by a violation of the protocol.", \.protocolErrors),
            ("messages_oversized", "Sessions ended by limits.message_bytes or limits.fragments.", \.oversizedMessages),
            ("channel_limit_hits", "Subscriptions refused by limits.channels_per_session.", \.channelLimitHits),
            ("slow_disconnects", "Sessions ended because they did not keep up.", \.slowDisconnects),
            ("slow_dropped_bytes", "Bytes dropped with slow sessions, or instead of ending them.", \.slowBytesDropped),
            (
                "slow_dropped_publications", "Publications that slow subscribers of drop_oldest channels did not get.",
                \.slowDroppedOldest
            ),
            (
                "slow_replaced_publications",
                "Publications that slow subscribers of latest channels did not get: newer ones came.", \.slowReplaced
            ),
            ("slow_announcements", "Times a slow subscriber was told that it lost publications.", \.slowAnnouncements),
            ("node_outbound_limit_hits", "Times limits.outbound_bytes_node was reached.", \.nodeOutboundLimitHits),
            ("backlog_overruns", "Channels whose backlog could not be sent in time.", \.backlogOverruns),
            (
                "publications_overrun", "Publications lost in overruns; their subscribers were told.",
                \.publicationsOverrun
            ),
            ("publishers_paused", "Times a publisher was not read from for a while.", \.publishersPaused),
            ("pongs_missed", "Sessions ended because they did not answer a ping.", \.missedPongs),
            ("subscribe_timeouts", "Subscriptions not confirmed in time.", \.subscribeTimeouts),
            ("write_errors", "Sessions ended by a failed send.", \.writeErrors),
            ("handshake_limit_hits", "Connections dropped by limits.handshakes.", \.handshakeLimitHits),
            (
                "address_limit_hits",
                "Connections dropped by limits.sessions_per_address or limits.handshakes_per_address.",
                \.addressLimitHits
            ),
            ("connect_rate_hits", "Clients refused by limits.connects_per_second.", \.connectRateHits),
            (
                "address_connect_rate_hits", "Clients refused by limits.connects_per_address_per_second.",
                \.addressConnectRateHits
            ),
            ("publish_rate_hits", "Publications refused or slowed down by limits.publish_rate.", \.publishRateHits),
            ("subscribe_rate_hits", "Subscriptions refused by limits.subscribe_rate.", \.subscribeRateHits),
            ("control_rate_hits", "Sessions ended by limits.control_rate.", \.controlRateHits),
            ("message_timeouts", "Sessions ended by limits.message_timeout.", \.messageTimeouts),
            (
                "proxy_refused", "Connections reset: not from an address in client.proxy_protocol.trusted.",
                \.proxyRefused
            ),
            ("proxy_errors", "Connections dropped without a right PROXY header in time.", \.proxyErrors),
            ("tls_handshakes", "TLS handshakes with clients.", \.tlsHandshakes),
            ("tls_errors", "TLS handshakes with clients that failed.", \.tlsErrors),
            ("user_limit_hits", "Sessions refused by limits.sessions_per_user.", \.userLimitHits),
            ("unauthorized", "Requests and commands refused for a missing or bad token.", \.unauthorized),
            ("asked", "Decisions about clients for which keys or the application were asked.", \.asked),
            ("undecided", "Clients refused because nobody could say in time who they are.", \.undecided),
            ("recovered", "Subscribers that came back and got what they had missed.", \.recovered),
            ("unrecovered", "Subscribers that came back and could not get it, and were told.", \.unrecovered),
            ("lost_announcements", "Subscribers told that publications are lost.", \.lostAnnouncements),
            (
                "presence_limit_hits", "Presence refused because too many are present for one reply.",
                \.presenceLimitHits
            ),
            ("expired", "Sessions and subscriptions ended because their tokens expired.", \.expired),
            ("incomplete_limit_hits", "Sessions ended by limits.incomplete_bytes_node.", \.incompleteLimitHits),
        ]
    }

    mutating func add(_ other: ShardCounters) {
        for (_, _, path) in Self.described { self[keyPath: path] &+= other[keyPath: path] }
    }
}
