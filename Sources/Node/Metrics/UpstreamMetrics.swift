/// What applications were asked and told.
extension MetricsPage {
    mutating func write(_ upstream: Upstream.Counters) {
        counter("upstream_calls_total", "Calls of clients sent to upstream endpoints.", Double(upstream.calls))
        counter(
            "upstream_connection_events_total",
            "Connects and disconnects of hub clients reported to upstream endpoints.",
            Double(upstream.news))
        counter(
            "upstream_failures_total",
            "Requests to upstream endpoints that timed out, failed, or were answered with an error status.",
            Double(upstream.failed))
        counter(
            "upstream_concurrency_hits_total",
            "Requests to upstream endpoints that were not sent because of upstream.concurrency.",
            Double(upstream.limitHits))
        counter(
            "upstream_skipped_total",
            "Requests that were not sent because the upstream endpoint failed before (upstream.breaker_failures).",
            Double(upstream.skipped))
        gauge("upstream_in_flight", "Number of requests to upstream endpoints under way.", Double(upstream.underWay))
        gauge(
            "upstream_open_circuits", "Number of upstream endpoints that get no requests because they failed.",
            Double(upstream.open))
    }
}
