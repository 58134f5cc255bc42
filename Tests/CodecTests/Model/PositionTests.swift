import Codec
import Testing

@Suite struct PositionTests {
    @Test(arguments: [
        Position(epoch: 0, offset: 0), Position(epoch: 1, offset: 17), Position(epoch: .max, offset: .max),
        Position(epoch: 0x4F3C_2B1A_0987_6543, offset: Offset(clamping: (1 << 53) - 2)),
    ])
    func isTextAndBack(_ position: Position) {
        #expect(Position(position.description) == position)
        #expect(position.epochText.utf8.count == 16)
        #expect(Position.epoch(position.epochText) == position.epoch)
    }

    @Test func looksLikeThis() {
        #expect(Position(epoch: 0xAB, offset: 7).description == "00000000000000ab:7")
    }

    @Test(arguments: [
        "", ":", "00000000000000ab", "00000000000000ab:", ":7", "ab:7", "00000000000000AB:7", "00000000000000ab:-7",
        "00000000000000ab:+7", "00000000000000ab:7:8", "00000000000000ab:18446744073709551616",
        "00000000000000ab:18446744073709551615", "00000000000000ab:9007199254740992",
        "00000000000000ab:00000000000000007", "00000000000000ag:1",
        " 00000000000000ab:7", "+0000000000000ab:7", "00000000000000ab:٧",
    ])
    func anythingElseIsNone(_ text: String) {
        #expect(Position(text) == nil)
    }
}
