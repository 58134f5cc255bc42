import Testing

@testable import Node

@Suite struct SubscriptionListTests {
    @Test(arguments: [1, 2, 3, 4, 5, 50, 300])
    func holdsAnyNumberInOrder(count: Int) {
        var list = SubscriptionList()
        for channel in 0..<count { list.append(.init(channel: UInt32(channel), rosterIndex: UInt32(channel + 7))) }
        #expect(list.count == count)
        for channel in 0..<count {
            #expect(list.index(of: UInt32(channel)) == channel)
            list.move(channel: UInt32(channel), to: UInt32(channel * 2))
        }
        #expect((0..<count).map { list[$0].rosterIndex } == (0..<count).map { UInt32($0 * 2) })
        list.remove(at: 0)
        #expect((0..<list.count).map { list[$0].channel } == (1..<count).map(UInt32.init))
        list.removeAll()
        #expect(list.count == 0)
    }

    @Test func isSmall() {
        #expect(MemoryLayout<SubscriptionList>.size <= 32)
    }
}

@Suite struct SessionTableTests {
    @Test func aSlotUsedAgainIsAnotherSession() throws {
        let table = SessionTable(capacity: 2)
        let first = try #require(table.take())
        let generation = table.slots[Int(first)].generation
        table.slots[Int(first)].phase = .open
        #expect(table.find(first, generation: generation) != nil)
        table.release(first)
        #expect(table.find(first, generation: generation) == nil)
        let again = try #require(table.take())
        table.slots[Int(again)].phase = .open
        #expect(again == first)
        #expect(table.find(again, generation: generation) == nil)
        #expect(table.find(again, generation: generation + 1) != nil)
    }

    @Test func refusesWhenFull() {
        let table = SessionTable(capacity: 2)
        #expect(table.take() != nil)
        #expect(table.take() != nil)
        #expect(table.take() == nil)
        #expect(table.count == 2)
    }

    @Test func anIdleSessionIsSmall() {
        #expect(MemoryLayout<SessionSlot>.stride <= 248)
    }

    @Test func locatorsKeepWhatTheyAreGiven() {
        let locator = Locator(reactor: 63, slot: 0xFFFF_FFFE, generation: 0xFF_FFFF)
        #expect(Locator(locator.value) == locator)
    }
}
