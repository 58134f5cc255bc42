import Codec
import Reactor
import Testing

@testable import Node

@Suite struct PublishGateTests {
    private let start: UInt64 = 5_000_000_000_000
    private let second: UInt64 = 1_000_000_000
    private let limit = RateLimit(perSecond: 10, burst: 20)

    private func address(_ number: Int) -> SocketAddress { .ipv4(UInt32(number), port: 1) }

    private func entered(
        _ gate: PublishGate, _ tries: Int, as user: ForeignText? = nil, from address: SocketAddress? = nil,
        cost: UInt64 = 1, at now: UInt64
    ) -> Int {
        (0..<tries).count { _ in gate.enter(user, address, limit, cost: cost, now: now) == 0 }
    }

    @Test func aUserHasOneBucketWhateverTheAddress() {
        let gate = PublishGate()
        #expect(entered(gate, 15, as: "ann", from: address(1), at: start) == 15)
        #expect(entered(gate, 15, as: "ann", from: address(2), at: start) == 5)
        #expect(entered(gate, 1, as: "bob", from: address(1), at: start) == 1)
        #expect(entered(gate, 100, as: "ann", at: start + second) == 10)
        // Names are bytes: this one has another accent.
        #expect(entered(gate, 30, as: "Jos\u{E9}", at: start) == 20)
        #expect(entered(gate, 30, as: "Jose\u{301}", at: start) == 20)
    }

    @Test func visitorsOfOneAddressShareABucket() {
        let gate = PublishGate()
        #expect(entered(gate, 30, from: address(1), at: start) == 20)
        #expect(entered(gate, 30, from: address(2), at: start) == 20)
        // A unix socket has no address.
        #expect(entered(gate, 1000, from: .unix("/a"), at: start) == 1000)
    }

    @Test func whatCostsMoreCountsForMore() {
        let gate = PublishGate()
        #expect(entered(gate, 30, as: "ann", cost: 8, at: start) == 2)
        // The wait is until there is room again.
        let wait = gate.enter("ann", nil, limit, cost: 8, now: start)
        #expect(wait > 0 && entered(gate, 1, as: "ann", cost: 8, at: start + second) == 1)
    }

    @Test func withoutALimitNothingIsRemembered() {
        let gate = PublishGate()
        #expect(gate.enter("ann", nil, .unlimited, cost: 1, now: start) == 0 && gate.remembered == 0)
    }

    /// Whoever comes when all places are taken is let in, and places become free by and by.
    @Test func memoryIsBounded() {
        let gate = PublishGate(most: 100)
        for number in 0..<1000 { #expect(entered(gate, 1, from: address(number), at: start) == 1) }
        #expect(gate.remembered == 100)
        #expect(entered(gate, 50, from: address(5000), at: start) == 50)
        _ = entered(gate, 1, from: address(5001), at: start + 10 * second)
        _ = entered(gate, 1, from: address(5002), at: start + 20 * second)
        #expect(gate.remembered <= 2)
    }
}
