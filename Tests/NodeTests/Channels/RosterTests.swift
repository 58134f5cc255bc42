import Testing

@testable import Node

/// A roster beside the plainest model of it: who has been served by the running pass.
private struct Model {
    var indices: [UInt32: UInt32] = [:]
    var toServe: Set<UInt32> = []
    var served: Set<UInt32> = []
}

@Suite struct RosterTests {
    @Test func servesEverybodyOnce() {
        var roster = Roster()
        for slot in 0..<1000 { _ = roster.append(.init(slot: UInt32(slot), generation: 0, since: 0)) }
        roster.beginPass()
        var served: [UInt32] = []
        while !roster.isServed {
            for index in roster.takeSlice(most: 64) { served.append(roster.entries[index].slot) }
        }
        #expect(served == (0..<1000).map(UInt32.init))
    }

    @Test func whoeverJoinsDuringAPassIsNotServedByIt() {
        var roster = Roster()
        _ = roster.append(.init(slot: 1, generation: 0, since: 0))
        roster.beginPass()
        _ = roster.append(.init(slot: 2, generation: 0, since: 5))
        let slice = roster.takeSlice(most: 10)
        #expect(slice.map { roster.entries[$0].slot } == [1])
        #expect(roster.isServed == true)
        roster.endPass()
        roster.beginPass()
        #expect(roster.takeSlice(most: 10).count == 2)
    }

    /// Thousands of random joins and leaves between slices: nobody who stays is skipped, nobody is served twice, and
    /// every subscriber is told its place.
    @Test(arguments: [1, 2, 3, 5, 8, 13, 21, 34] as [UInt64])
    func neitherSkipsNorRepeats(seed: UInt64) {
        var random = SplitMix(state: seed)
        var roster = Roster()
        var model = Model()
        var nextSlot: UInt32 = 0
        var isRunning = false

        for _ in 0..<20_000 {
            switch random.next() % 8 {
            case 0, 1, 2:
                model.indices[nextSlot] = roster.append(.init(slot: nextSlot, generation: 0, since: 0))
                nextSlot += 1
            case 3, 4:
                guard let (slot, index) = model.indices.randomElement(using: &random) else { continue }
                model.indices[slot] = nil
                model.toServe.remove(slot)
                roster.remove(at: index) { model.indices[$0] = $1 }
            case 5 where !isRunning:
                roster.beginPass()
                isRunning = true
                model.toServe = Set(model.indices.keys)
                model.served = []
            default:
                guard isRunning else { continue }
                for index in roster.takeSlice(most: Int(random.next() % 5) + 1) {
                    let slot = roster.entries[index].slot
                    #expect(model.served.insert(slot).inserted, "served twice")
                    #expect(model.toServe.remove(slot) != nil, "served without being due")
                }
                if roster.isServed {
                    #expect(model.toServe.isEmpty, "skipped")
                    roster.endPass()
                    isRunning = false
                }
            }
            #expect(roster.count == model.indices.count)
        }
        for (slot, index) in model.indices { #expect(roster.entries[Int(index)].slot == slot) }
    }
}

/// A small seeded generator, so that a failure can be run again.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
