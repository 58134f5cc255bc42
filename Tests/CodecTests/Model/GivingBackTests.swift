import Testing

@testable import Codec

@Suite struct GivingBackTests {
    @Test func whatHasGoneTakesNoMemory() {
        var table: [Int: Int] = [:]
        var set: Set<Int> = []
        for number in 0..<60_000 {
            table[number] = number
            set.insert(number)
        }
        let (tableBefore, setBefore) = (table.capacity, set.capacity)
        var copies = 0
        for number in 0..<59_900 {
            let capacity = table.capacity
            table[number] = nil
            table.giveBack()
            copies += table.capacity == capacity ? 0 : 1
            set.remove(number)
            set.giveBack()
        }
        #expect(table.count == 100 && set.count == 100)
        #expect((59_900..<60_000).allSatisfy { table[$0] == $0 && set.contains($0) })
        #expect(table.capacity <= max(1024, tableBefore / 32) && set.capacity <= max(1024, setBefore / 32))
        #expect(copies <= 6, "it is not copied each time")
    }

    @Test func aSmallTableIsLeftAlone() {
        var table = Dictionary(uniqueKeysWithValues: (0..<500).map { ($0, $0) })
        let capacity = table.capacity
        table.removeAll(keepingCapacity: true)
        table.giveBack()
        #expect(table.capacity == capacity)
    }
}
