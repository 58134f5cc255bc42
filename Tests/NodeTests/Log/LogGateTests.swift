import Reactor
import Testing

@testable import Node

@Suite struct LogGateTests {
    static func at(_ seconds: Double) -> MonotonicTime { MonotonicTime(nanoseconds: UInt64(seconds * 1e9)) }

    @Test func aFloodIsCutAndCounted() {
        var gate = LogGate()
        let first = (0..<1000).map { _ in gate.decide("a", now: Self.at(1)) }
        #expect(first.filter { $0 == .write }.count == 100)
        #expect(first.filter { $0 == .leaveOut }.count == 900)
        #expect(gate.leftOut == 900)
        // A second later ten more may, and the first of them says what is missing.
        let second = (0..<20).map { _ in gate.decide("a", now: Self.at(2)) }
        #expect(second.first == .writeAfter(leftOut: 900))
        #expect(second.filter { $0 == .leaveOut }.count == 10)
        #expect(gate.decide("a", now: Self.at(100)) == .writeAfter(leftOut: 10))
        #expect(gate.decide("a", now: Self.at(100)) == .write)
        #expect(gate.leftOut == 910)
    }

    @Test func onePlaceDoesNotSilenceAnother() {
        var gate = LogGate()
        for _ in 0..<1000 { _ = gate.decide("a", now: Self.at(1)) }
        #expect(gate.decide("b", now: Self.at(1)) == .write)
    }

    @Test func aClockThatStandsStillGivesNothing() {
        var gate = LogGate()
        for _ in 0..<100 { _ = gate.decide("a", now: Self.at(5)) }
        #expect(gate.decide("a", now: Self.at(5)) == .leaveOut)
    }
}
