import Reactor
import Testing

@testable import Node

@Suite struct ConnectGateTests {
    private let start: UInt64 = 5_000_000_000_000
    private let second: UInt64 = 1_000_000_000

    private func gate(
        node: (Int, Int) = (0, 0), address: (Int, Int) = (0, 0), most: Int = AddressBuckets.most
    ) -> ConnectGate {
        ConnectGate(
            node: RateLimit(perSecond: node.0, burst: node.1),
            address: RateLimit(perSecond: address.0, burst: address.1), addresses: most)
    }

    private func address(_ number: Int) -> SocketAddress { .ipv4(UInt32(number), port: 1) }

    private func entered(_ gate: ConnectGate, _ tries: Int, from address: SocketAddress? = nil, at now: UInt64) -> Int {
        (0..<tries).count { _ in
            do throws(ConnectGate.Refusal) {
                try gate.enter(address, now: now)
                return true
            } catch {
                return false
            }
        }
    }

    @Test func aBurstThenTheRate() {
        let gate = gate(node: (10, 50))
        #expect(entered(gate, 1000, at: start) == 50)
        #expect(entered(gate, 1000, at: start + second / 20) == 0)
        #expect(entered(gate, 1000, at: start + second) == 10)
        #expect(entered(gate, 1000, at: start + 1000 * second) == 50)
    }

    @Test func anotherRateCountsAtOnce() {
        let gate = gate(node: (10, 50), address: (0, 1))
        #expect(entered(gate, 1000, at: start) == 50)
        gate.use(node: RateLimit(perSecond: 0, burst: 1), address: RateLimit(perSecond: 1, burst: 2))
        #expect(entered(gate, 10, from: address(1), at: start) == 2 && gate.remembered == 1)
        gate.use(node: RateLimit(perSecond: 1, burst: 1), address: RateLimit(perSecond: 0, burst: 1))
        #expect(gate.remembered == 0)
        #expect(entered(gate, 10, from: address(1), at: start + 100 * second) == 1)
    }

    @Test func withoutALimitEverybodyComesIn() {
        let gate = gate()
        #expect(entered(gate, 100_000, from: address(1), at: start) == 100_000)
        #expect(gate.remembered == 0)
    }

    /// Many threads, one bucket: not one more than it holds.
    @Test func reactorsShareTheBucket() async {
        let gate = gate(node: (1, 10_000))
        let total = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 { group.addTask { entered(gate, 5000, at: start) } }
            return await group.reduce(0, +)
        }
        #expect(total == 10_000)
    }

    /// Those who are refused get turns one behind the other, as fast as they can be let in.
    @Test func theRefusedGetTurnsOfTheirOwn() throws {
        let gate = gate(node: (100, 1))
        #expect(entered(gate, 1, at: start) == 1)
        var waits: [UInt64] = []
        for _ in 0..<300 {
            do throws(ConnectGate.Refusal) {
                try gate.enter(nil, now: start)
                Issue.record("it came in")
            } catch {
                guard case .node(let wait) = error else {
                    Issue.record("\(error)")
                    return
                }
                waits.append(wait)
            }
        }
        #expect(waits == (1...300).map { UInt64($0) * second / 100 })
        // However many there are, nobody is sent away for long.
        for _ in 0..<100_000 {
            do throws(ConnectGate.Refusal) {
                try gate.enter(nil, now: start)
            } catch {
                guard case .node(let wait) = error, wait <= ConnectGate.longestWait + second else {
                    Issue.record("\(error)")
                    return
                }
            }
        }
    }

    @Test func secondsHaveJitterAndBounds() {
        var random = SplitMix(state: 7)
        let soon = Set((0..<1000).map { _ in ConnectGate.seconds(after: 1, using: &random) })
        #expect(soon == [1, 2, 3])
        let later = Set((0..<1000).map { _ in ConnectGate.seconds(after: 9_500_000_000, using: &random) })
        #expect(later == Set(10...17))
        let last = (0..<1000).map { _ in ConnectGate.seconds(after: .max, using: &random) }
        #expect(last.min() == 61 && last.max() == 93)
    }

    @Test func addressesHaveBucketsOfTheirOwn() throws {
        let gate = gate(address: (10, 5))
        #expect(entered(gate, 100, from: address(1), at: start) == 5)
        #expect(entered(gate, 100, from: address(2), at: start) == 5)
        #expect(entered(gate, 100, from: try SocketAddress(parsing: "[::ffff:0.0.0.1]:9"), at: start) == 0)
        #expect(entered(gate, 100, from: .unix(""), at: start) == 100)
        #expect(throws: ConnectGate.Refusal.address(wait: second / 10)) { try gate.enter(address(1), now: start) }
        #expect(entered(gate, 100, from: address(1), at: start + second / 10) == 1)
    }

    /// Who is refused for the address costs the node nothing, and the other way round.
    @Test func oneLimitDoesNotEatTheOther() {
        let gate = gate(node: (1, 10), address: (1, 2))
        #expect(entered(gate, 100, from: address(1), at: start) == 2)
        #expect(entered(gate, 8, from: nil, at: start) == 8)
        #expect(entered(gate, 100, from: address(2), at: start) == 0)
        #expect(gate.remembered == 1)
    }

    @Test func fullBucketsAreForgottenAndNoOthers() {
        let gate = gate(address: (10, 5))
        for number in 0..<1000 { _ = entered(gate, 5, from: address(number), at: start) }
        #expect(gate.remembered == 1000)
        // Half full: still remembered, and still counted.
        #expect(entered(gate, 5, from: address(3), at: start + second / 2 - 1) == 4)
        #expect(entered(gate, 5, from: address(3), at: start + second / 2) == 1)
        _ = entered(gate, 1, from: address(5000), at: start + second)
        #expect(gate.remembered == 2)
        _ = entered(gate, 1, from: address(5000), at: start + 10 * second)
        #expect(gate.remembered == 1)
    }

    /// An attacker with many addresses neither fills memory nor locks others out.
    @Test func theTableIsBounded() {
        let gate = gate(address: (1, 1), most: 100)
        #expect(entered(gate, 2, from: address(1), at: start) == 1)
        for number in 2..<10_000 { #expect(entered(gate, 1, from: address(number), at: start) == 1) }
        #expect(gate.remembered == 100)
        #expect(entered(gate, 2, from: address(1), at: start) == 0)
        #expect(entered(gate, 3, from: address(99_999), at: start) == 3)
        #expect(entered(gate, 3, from: address(99_999), at: start + 2 * second) == 1)
    }

    /// Over a long time an address comes in as often as it may, whatever others do.
    @Test func theRateOfAnAddressHoldsAcrossGenerations() {
        let gate = gate(address: (5, 10))
        var total = 0
        for step in 0..<6000 as Range<UInt64> {
            total += entered(gate, 2, from: address(1), at: start + step * second / 100)
            _ = entered(gate, 1, from: address(Int(step) + 10), at: start + step * second / 100)
        }
        #expect((300...310).contains(total))
    }
}
