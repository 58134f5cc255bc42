import Testing

@testable import Client

struct DeliveryLedgerTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let arrivals: [UInt32]
        let deliveries: UInt64
        var duplicates: UInt64 = 0
        var reordered: UInt64 = 0
        var missing: UInt64 = 0
        var testDescription: String { "\(arrivals)" }
    }

    @Test(arguments: [
        Case(arrivals: [], deliveries: 0),
        Case(arrivals: [0, 1, 2], deliveries: 3),
        Case(arrivals: [0, 2], deliveries: 2, missing: 1),
        Case(arrivals: [0, 2, 1], deliveries: 3, reordered: 1),
        Case(arrivals: [0, 0], deliveries: 1, duplicates: 1),
        Case(arrivals: [0, 2, 1, 1], deliveries: 3, duplicates: 1, reordered: 1),
        Case(arrivals: [3, 2, 1, 0], deliveries: 4, reordered: 3),
        Case(arrivals: [0, 5, 5, 6], deliveries: 3, duplicates: 1, missing: 4),
        Case(arrivals: [1_000_000], deliveries: 1, missing: 1_000_000),
    ])
    func whatArrivesIsTold(_ test: Case) {
        var ledger = DeliveryLedger(goal: 1_000)
        var expected: UInt32 = 0
        for arrival in test.arrivals { _ = ledger.arrived(arrival, member: 7, expected: &expected) }
        #expect(ledger.counts.deliveries == test.deliveries)
        #expect(ledger.counts.duplicates == test.duplicates)
        #expect(ledger.counts.reordered == test.reordered)
        #expect(ledger.counts.missing == test.missing)
    }

    @Test func aPublicationIsCompleteOnceAtItsGoal() {
        var ledger = DeliveryLedger(goal: 3)
        var expected: [UInt32] = [0, 0, 0]
        var complete: [Int] = []
        for (step, member) in [0, 1, 1, 2, 2].enumerated()
        where ledger.arrived(0, member: UInt32(member), expected: &expected[member]) {
            complete.append(step)
        }
        #expect(complete == [3])
    }

    @Test func publicationsCompleteInAnyOrder() {
        var ledger = DeliveryLedger(goal: 2)
        var expected: [UInt32] = [0, 0]
        var complete: [UInt32] = []
        for (sequence, member) in [(UInt32(0), 0), (1, 0), (1, 1), (0, 1)]
        where ledger.arrived(sequence, member: UInt32(member), expected: &expected[member]) {
            complete.append(sequence)
        }
        #expect(complete == [1, 0])
        #expect(ledger.counts.missing == 0)
    }

    @Test func sequenceNumbersBeyondTheSpanReuseItsPlaces() {
        var ledger = DeliveryLedger(goal: 1)
        var expected: UInt32 = 0
        for sequence in 0..<UInt32(3 * DeliveryLedger.span) {
            #expect(ledger.arrived(sequence, member: 0, expected: &expected))
        }
        #expect(ledger.counts.deliveries == UInt64(3 * DeliveryLedger.span))
    }
}
