import Testing

@testable import Reactor

@Suite struct FreedMemoryTests {
    private func looks(_ freed: inout FreedMemory, _ held: Int, _ count: Int = FreedMemory.patience) -> Int {
        (0..<count).reduce(0) { sum, _ in sum + (freed.look(held) == .giveBack ? 1 : 0) }
    }

    @Test func afterMuchHasGoneAndOnceMore() {
        var freed = FreedMemory()
        #expect(looks(&freed, 60_000) == 0)
        #expect(looks(&freed, 10, FreedMemory.patience - 1) == 0, "timers of what has gone are still there")
        #expect(looks(&freed, 10, 1) == 1)
        // What was freed only after that goes back too.
        #expect(looks(&freed, 10, FreedMemory.patience - 1) == 0)
        #expect(looks(&freed, 10, 1) == 1)
        #expect(looks(&freed, 10, 1000) == 0)
        // Again when as much has come and gone again.
        #expect(looks(&freed, 60_000, 1) == 0)
        #expect(looks(&freed, 10) == 1)
    }

    @Test func notForALittleAndNotWhileItIsInUse() {
        var freed = FreedMemory()
        #expect(looks(&freed, FreedMemory.smallest - 1) == 0)
        #expect(looks(&freed, 0, 100) == 0)
        #expect(looks(&freed, 60_000) == 0)
        #expect(looks(&freed, 30_000, 100) == 0, "half of it is still there")
        for _ in 0..<10 {
            #expect(looks(&freed, 20, FreedMemory.patience - 1) == 0)
            #expect(looks(&freed, 59_000, 1) == 0, "and comes back all the time")
        }
    }
}
