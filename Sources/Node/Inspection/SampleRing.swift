package import Codec
package import Reactor

/// What a node looked like in one second.
package struct NodeSample: Equatable, Sendable {
    package var sessions: Count
    package var publicationsPerS: Rate
    package var deliveriesPerS: Rate
    package var backlogBytes: Count
    package var roundTripUs: Count?
}

/// The last ten minutes of a node, one sample a second. Pure: it is told what was seen, and when.
package struct SampleRing: Sendable {
    /// Ten minutes; older ones are forgotten.
    package static let capacity = 600
    package static let step: Duration = .seconds(1)

    private var samples: [NodeSample] = []
    /// The oldest.
    private var start = 0
    /// The second that the newest sample stands for.
    private var newest: MonotonicTime?
    /// The same in milliseconds since 1970.
    private var end: Count?

    package init() {}

    /// A look at the node. Where the looks before it failed to come, because the machine was busy or stood still, it stands for
    /// their seconds too: its rates are those since the last look.
    package mutating func append(_ sample: NodeSample, now: MonotonicTime, wallClock: UInt64) {
        var steps: UInt64 = 1
        if let newest {
            steps = max(1, ((now - newest).wholeNanoseconds + 500_000_000) / 1_000_000_000)
            self.newest = newest + .seconds(Int64(clamping: steps))
        } else {
            newest = now
        }
        end = Count(wallClock)
        for _ in 0..<min(steps, UInt64(Self.capacity)) { append(sample) }
    }

    private mutating func append(_ sample: NodeSample) {
        if samples.count < Self.capacity {
            samples.append(sample)
        } else {
            samples[start] = sample
            start = (start + 1) % Self.capacity
        }
    }

    /// The newest samples, oldest first.
    package func series(_ limit: Int) -> NodeSeries {
        var series = NodeSeries()
        series.end = end
        let count = max(0, min(limit, samples.count))
        for offset in samples.count - count..<samples.count {
            let sample = samples[(start + offset) % samples.count]
            series.sessions.append(sample.sessions)
            series.publicationsPerS.append(sample.publicationsPerS)
            series.deliveriesPerS.append(sample.deliveriesPerS)
            series.backlogBytes.append(sample.backlogBytes)
            series.roundTripUs.append(sample.roundTripUs)
        }
        return series
    }
}
