import Backplane
import Codec
import Testing

@Suite struct AcknowledgedPositionsTests {
    static func name(_ number: Int) -> ChannelName { ChannelName(trusted: Array("c\(number)".utf8)) }

    @Test func remembersTheLastOfEachChannel() {
        var known = AcknowledgedPositions()
        known.note(Position(epoch: 1, offset: 5), in: Self.name(1))
        known.note(Position(epoch: 1, offset: 7), in: Self.name(1))
        // A key that was used before.
        known.note(Position(epoch: 1, offset: 3), in: Self.name(1))
        known.note(Position(epoch: 9, offset: 2), in: Self.name(2))
        known.note(Position(epoch: 4, offset: 1), in: Self.name(2))
        #expect(
            known.takeAll(for: [1]) == [
                Self.name(1): Position(epoch: 1, offset: 7), Self.name(2): Position(epoch: 4, offset: 1),
            ])
        #expect(known.takeAll(for: [1]).isEmpty)
    }

    @Test func forgetsTheOldestAndCountsThem() {
        var known = AcknowledgedPositions(maximum: 10)
        for number in 0..<20 { known.note(Position(epoch: 1, offset: 1), in: Self.name(number)) }
        #expect(known.forgotten == 0)
        // One of the older ones is used again.
        known.note(Position(epoch: 1, offset: 2), in: Self.name(0))
        #expect(known.forgotten == 10)
        for number in 20..<29 { known.note(Position(epoch: 1, offset: 1), in: Self.name(number)) }
        #expect(known.forgotten == 10)
        known.note(Position(epoch: 1, offset: 1), in: Self.name(29))
        #expect(known.forgotten == 20)
        let all = known.takeAll(for: [1])
        #expect(all.count == 11 && all[Self.name(0)] == Position(epoch: 1, offset: 2) && all[Self.name(19)] == nil)
    }
}
