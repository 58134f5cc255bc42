import Synchronization

/// What tails and traces of the admin listener did, for the metrics.
final class StreamCounters: Sendable {
    /// Publications that tails did not show because of limits.
    let tailLeftOut = Atomic<UInt64>(0)
    /// Messages that traces did not show because of limits.
    let traceLeftOut = Atomic<UInt64>(0)
    /// Traces that were refused because as many run as may.
    let tracesRefused = Atomic<UInt64>(0)
}
