import Codec
import Testing

@testable import Node

@Suite struct RosterListTests {
    private static let variants = [
        Variant(.raw, over: .webSocket), Variant(.raw, over: .webSocket, .full), Variant(.sse, over: .eventStream),
        Variant(.centrifuge, over: .webSocket),
    ]

    private static func entry(_ slot: UInt32) -> Roster.Entry { .init(slot: slot, generation: 0, since: 0) }

    @Test func hasOnlyTheVariantsThatAreThere() {
        var list = RosterList()
        #expect(list.count == 0 && list.entries == nil)
        for (slot, variant) in Self.variants.enumerated() {
            #expect(list.find(variant) == nil)
            #expect(list.append(Self.entry(UInt32(slot)), speaking: variant) == 0)
            #expect(list.count == slot + 1 && list.find(variant) != nil)
        }
        for (slot, variant) in Self.variants.enumerated() {
            #expect(!list.remove(99, at: 0, speaking: variant) { _, _ in })
            #expect(!list.remove(UInt32(slot), at: 1, speaking: variant) { _, _ in })
            #expect(list.remove(UInt32(slot), at: 0, speaking: variant) { _, _ in })
            #expect(list.find(variant) == nil && list.count == Self.variants.count - slot - 1)
            #expect(!list.remove(UInt32(slot), at: 0, speaking: variant) { _, _ in })
        }
        #expect(list.entries == nil)
    }

    /// A pass goes over the variants by their index, so none moves while it runs.
    @Test func variantsKeepTheirPlacesDuringAPass() {
        var list = RosterList()
        for (slot, variant) in Self.variants.prefix(3).enumerated() {
            _ = list.append(Self.entry(UInt32(slot)), speaking: variant)
        }
        list.beginPass()
        #expect(list.remove(0, at: 0, speaking: Self.variants[0]) { _, _ in })
        _ = list.append(Self.entry(7), speaking: Self.variants[3])
        #expect((0..<list.count).map { list.entries![$0].variant } == Self.variants)
        #expect((0..<list.count).map { list.entries![$0].roster.isServed } == [true, false, false, true])
        list.endPass()
        #expect(list.count == 3 && list.find(Self.variants[0]) == nil)
        #expect(list.find(Self.variants[3])?.pointee.roster.entries[0].slot == 7)
    }

    /// Thousands of random joins and leaves in and between passes: everybody who stays is served once a pass, in its variant.
    @Test(arguments: [1, 2, 3, 5, 8] as [UInt64])
    func neitherSkipsNorRepeats(seed: UInt64) {
        var random = SplitMix(state: seed)
        var list = RosterList()
        var indices: [UInt32: (variant: Variant, index: UInt32)] = [:]
        var due: Set<UInt32> = []
        var next: UInt32 = 0
        var serving: Int?
        for _ in 0..<20_000 {
            switch random.next() % 8 {
            case 0, 1:
                let variant = Self.variants.randomElement(using: &random)!
                indices[next] = (variant, list.append(Self.entry(next), speaking: variant))
                next += 1
            case 2, 3, 4:
                guard let (slot, known) = indices.randomElement(using: &random) else { continue }
                indices[slot] = nil
                due.remove(slot)
                #expect(list.remove(slot, at: known.index, speaking: known.variant) { indices[$0]?.index = $1 })
            case 5 where serving == nil:
                list.beginPass()
                serving = 0
                due = Set(indices.keys)
            default:
                guard let index = serving else { continue }
                guard index < list.count, let entries = list.entries else {
                    #expect(due.isEmpty, "skipped")
                    list.endPass()
                    serving = nil
                    continue
                }
                for subscriber in entries[index].roster.takeSlice(most: 3) {
                    let slot = entries[index].roster.entries[subscriber].slot
                    #expect(due.remove(slot) != nil && indices[slot]?.variant == entries[index].variant)
                }
                if entries[index].roster.isServed { serving = index + 1 }
            }
            var members: Set<UInt32> = []
            list.forEach { members.insert($0.slot) }
            #expect(members == Set(indices.keys))
        }
    }
}
