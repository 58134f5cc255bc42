import Reactor
import Synchronization

/// What the node says about itself: its process, its reactors, the admin listener, the log, and what other nodes ask it.
extension MetricsPage {
    mutating func writeNode(_ node: RunningNode) {
        information(
            "build_info", "Version and commit of the running program. The value is always 1.",
            [("version", Version.number), ("commit", Version.commit)])
        gauge(
            "start_time_seconds", "Time at which the node started, in seconds since 1970.",
            Double(node.startedAt) / 1000)
        gauge(
            "draining", "1 if the node is draining or drained, 0 if it serves clients.",
            node.draining.phase == .serving ? 0 : 1)
    }

    mutating func write(_ figures: ReactorFigures, channels: Int, nodes: Int) {
        gauge("sessions", "Number of connected sessions, by reactor.", byReactor: figures.sessions.map(Double.init))
        gauge("channels", "Number of channels with at least one subscriber on this node.", Double(channels))
        gauge("nodes", "Number of live nodes in the cluster as this node sees it, itself included.", Double(nodes))
        gauge(
            "outbound_bytes",
            "Bytes queued in the node for sessions (limits.outbound_bytes, limits.outbound_bytes_node).",
            Double(figures.outboundBytes))
        gauge(
            "kernel_outbound_bytes", "Bytes in the kernel's send buffers for sessions that do not keep up.",
            Double(figures.kernelBytes))
        gauge(
            "delta_bytes", "Bytes of publications that the node keeps to make deltas (limits.delta_bytes_node).",
            Double(figures.deltaBytes))
        gauge(
            "filter_bytes", "Bytes of tag filters in the node's memory (limits.filter_bytes_node).",
            Double(figures.filterBytes))
        gauge(
            "sessions_waiting", "Number of sessions whose connection was cut and that wait for their client.",
            Double(figures.cutSessions))
        gauge(
            "resume_bytes", "Bytes of messages that clients have not acknowledged (resume.bytes, resume.bytes_node).",
            Double(figures.resumeBytes))
        gauge(
            "polls_waiting",
            "Number of long polling requests that wait on this node, for sessions of this node or of others.",
            Double(figures.awaitedPolls))
        gauge("memory_bytes", "Resident memory of the process in bytes.", Double(ProcessUsage.residentBytes))
        counter(
            "cpu_seconds_total", "CPU time used by the process in seconds (user and system).",
            Double(ProcessUsage.cpuNanoseconds) / 1e9)
        counter(
            "reactor_busy_seconds_total",
            "Seconds that each reactor thread spent working rather than waiting for events.",
            byReactor: figures.busy.map { Double($0) / 1e9 })
        gauge(
            "io_uring_reactors",
            "Number of reactors that send in batches through io_uring. The others send one by one, and the log says why.",
            Double(figures.batching))
        for (name, help, path) in ShardCounters.described {
            counter("\(name)_total", help, Double(figures.counters[keyPath: path]))
        }
        counter(
            "refusals_total", "Clients that were refused or disconnected, by reason.", by: "reason", figures.refusals)
    }

    mutating func write(_ connections: AdminConnections.Count) {
        gauge(
            "admin_connections", "Number of open connections of the admin listener.",
            Double(connections.open.load(ordering: .relaxed)))
        counter(
            "admin_connection_limit_hits_total",
            "Times the admin listener stopped accepting connections because admin.connections was reached.",
            Double(connections.limitHits.load(ordering: .relaxed)))
    }

    mutating func write(_ live: LiveConfiguration) {
        let counters = live.counters
        counter("reloads_total", "Reloads of the configuration that were carried out.", Double(counters.reloads))
        counter(
            "reload_failures_total", "Reloads of the configuration that were refused and changed nothing.",
            Double(counters.failures))
        gauge(
            "configuration_read_timestamp_seconds",
            "When the configuration in force was read, in seconds since 1970.", Double(counters.readAt) / 1000)
        information(
            "configuration_info",
            "Always 1. The label digest is the same on nodes with the same configuration, secrets, names, addresses and files apart.",
            [("digest", live.digest)])
    }

    mutating func write(_ events: NodeEvents, _ collected: EventCollector.Counters) {
        gauge(
            "event_listeners", "Number of listeners to events, for example event streams.",
            Double(events.listenerCount))
        counter("events_total", "Events collected for listeners.", Double(collected.collected))
        counter(
            "events_dropped_total",
            "Events that a listener did not get because of limits.event_bytes. Each listener counts.",
            Double(collected.dropped &+ events.missed.load(ordering: .relaxed)))
        counter(
            "event_streams_refused_total", "Requests for an event stream refused because of admin.event_streams.",
            Double(events.streamsRefused.load(ordering: .relaxed)))
    }

    mutating func write(_ revocations: Revocations) {
        gauge(
            "revocations", "Number of revocations that the node knows (limits.revocations).", Double(revocations.count))
        counter(
            "revocations_refused_total", "Revocations refused because of limits.revocations.",
            Double(revocations.refused))
    }

    mutating func write(_ webhooks: WebhookBooks) {
        let counters = webhooks.counters
        gauge(
            "webhooks_failing",
            "Number of webhooks to which this node sends events and whose last request failed.",
            Double(webhooks.failing))
        counter(
            "webhook_events_total", "Events that this node stored for webhooks. Each webhook counts.",
            Double(counters.accepted))
        counter(
            "webhook_events_dropped_total",
            "Events for webhooks dropped because of limits.webhook_bytes or limits.webhook_pending_bytes, or because the node stopped before they were stored or, with the memory backplane, delivered.",
            Double(counters.dropped))
        counter(
            "webhook_events_delivered_total", "Events that webhooks acknowledged to this node.",
            Double(counters.delivered))
        counter("webhook_requests_total", "Requests that this node sent to webhooks.", Double(counters.requests))
        counter(
            "webhook_requests_failed_total", "Requests to webhooks without a 2xx response.", Double(counters.failures))
        counter(
            "webhook_dead_letters_total", "Events that webhooks did not take within their retry_for.",
            Double(counters.dead))
        counter(
            "webhook_dead_letters_dropped_total", "Dead letters dropped because of limits.webhook_pending_bytes.",
            Double(counters.deadDropped))
    }

    mutating func writeLog() {
        counter(
            "log_lines_left_out_total", "Log lines suppressed by the rate limit for lines of the same kind.",
            Double(LineLogHandler.leftOut))
        counter(
            "log_lines_lost_total",
            "Log lines lost because standard error was not read fast enough and the log buffer was full.",
            Double(LogWriter.standardError.lost))
    }

    mutating func write(
        questions: (refused: UInt64, ignored: UInt64), forwards: (begun: UInt64, refused: UInt64, unanswered: UInt64),
        polls: (begun: UInt64, refused: UInt64)
    ) {
        counter(
            "cluster_questions_refused_total",
            "Queries from other nodes that were not answered because too many arrived.",
            Double(questions.refused))
        counter(
            "cluster_answers_ignored_total",
            "Answers from other nodes that were ignored: unsolicited, late, duplicate, or too large in total.",
            Double(questions.ignored))
        counter(
            "command_requests_forwarded_total",
            "Requests with commands (/emulation) handed to the node of their session.",
            Double(forwards.begun))
        counter(
            "command_forward_limit_hits_total", "Requests with commands refused because of limits.forward_bytes.",
            Double(forwards.refused))
        counter(
            "command_forwards_unanswered_total",
            "Requests with commands that the node of their session did not answer within 2 s.",
            Double(forwards.unanswered))
        counter(
            "polls_forwarded_total", "Long polling requests for which this node asked the others for the session.",
            Double(polls.begun))
        counter(
            "polls_forward_limit_hits_total",
            "Long polling requests refused because 65,536 wait for sessions of other nodes.", Double(polls.refused))
    }

    mutating func write(_ streams: StreamCounters, traces: Int) {
        gauge("traces", "Number of connections of this node that are traced.", Double(traces))
        counter(
            "traces_refused_total", "Traces refused because of admin.traces.",
            Double(streams.tracesRefused.load(ordering: .relaxed)))
        counter(
            "trace_left_out_total",
            "Messages that a trace did not show because of admin.shown_rate, or because its reader did not keep up.",
            Double(streams.traceLeftOut.load(ordering: .relaxed)))
        counter(
            "tail_left_out_total",
            "Publications that a tail did not show because of admin.shown_rate or limits.event_bytes.",
            Double(streams.tailLeftOut.load(ordering: .relaxed)))
    }
}
