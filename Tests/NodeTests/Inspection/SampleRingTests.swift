import Codec
import Reactor
import Testing

@testable import Node

@Suite struct SampleRingTests {
    private static func sample(_ sessions: Int) -> NodeSample {
        NodeSample(
            sessions: Count(sessions), publicationsPerS: 1.0, deliveriesPerS: 2.0, backlogBytes: 3, roundTripUs: nil)
    }

    private static func at(_ milliseconds: Int64) -> MonotonicTime {
        MonotonicTime(nanoseconds: 1 << 40) + .milliseconds(milliseconds)
    }

    @Test func isEmptyAtFirst() {
        let series = SampleRing().series(600)
        #expect(series.sessions.isEmpty && series.end == nil)
    }

    @Test func forgetsTheOldest() {
        var ring = SampleRing()
        for second in 0..<1000 {
            ring.append(Self.sample(second), now: Self.at(Int64(second) * 1000), wallClock: UInt64(second) * 1000)
        }
        let series = ring.series(600)
        #expect(series.sessions.map(\.int) == Array(400..<1000) && series.end == 999_000)
        #expect(ring.series(3).sessions.map(\.int) == [997, 998, 999])
        #expect(ring.series(0).sessions.isEmpty)
        for count in [
            series.publicationsPerS.count, series.deliveriesPerS.count, series.backlogBytes.count,
            series.roundTripUs.count,
        ] { #expect(count == 600) }
    }

    /// Samples stay where they belong on the axis of time: looks may come late, and a machine may stand still.
    @Test func fillsTheSecondsWithoutALook() {
        var ring = SampleRing()
        for (sessions, at) in [(1, 0), (2, 1400), (3, 2000), (4, 3100), (5, 8000), (6, 9000)] as [(Int, Int64)] {
            ring.append(Self.sample(sessions), now: Self.at(at), wallClock: 0)
        }
        #expect(ring.series(600).sessions.map(\.int) == [1, 2, 3, 4, 5, 5, 5, 5, 5, 6])
        ring.append(Self.sample(7), now: Self.at(1_000_000), wallClock: 0)
        #expect(ring.series(600).sessions.map(\.int) == Array(repeating: 7, count: 600))
    }

    @Test func anotherNodesListsGetOneLength() {
        var series = NodeSeries()
        series.sessions = [1, 2, 3, 4]
        series.publicationsPerS = [1.0, 2.0, 3.0]
        series.deliveriesPerS = [1.0, 2.0, 3.0]
        series.backlogBytes = [1, 2, 3]
        series.roundTripUs = [nil, 5]
        let bounded = series.bounded(to: 600)
        #expect(
            bounded.sessions == [3, 4] && bounded.publicationsPerS == [2.0, 3.0] && bounded.roundTripUs == [nil, 5])
        #expect(series.bounded(to: 1).sessions == [4])
    }
}
