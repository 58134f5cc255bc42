import Reactor
import Testing

@testable import Client

struct DeliveryCurveTests {
    private static func time(_ milliseconds: UInt64) -> MonotonicTime {
        MonotonicTime(nanoseconds: milliseconds * 1_000_000)
    }

    @Test func deliveriesAreInTheHundredthInWhichTheyCame() {
        var curve = DeliveryCurve()
        curve.note(3, at: Self.time(1_001))
        curve.note(3, at: Self.time(1_005))
        curve.note(7, at: Self.time(1_009))
        curve.note(8, at: Self.time(1_050))
        #expect(
            curve.take() == [
                DeliveryCurve.Sample(time: 100, deliveries: 7), DeliveryCurve.Sample(time: 105, deliveries: 1),
            ])
    }

    @Test func whatWasTakenIsNotTakenAgain() {
        var curve = DeliveryCurve()
        curve.note(5, at: Self.time(10))
        _ = curve.take()
        #expect(curve.take().isEmpty)
        curve.note(6, at: Self.time(11))
        #expect(curve.take() == [DeliveryCurve.Sample(time: 1, deliveries: 1)])
    }
}
