import Testing

@testable import Codec

@Suite struct OffsetTests {
    @Test func holdsWhatAHistoryCanCountAndNothingElse() {
        #expect(Offset(exactly: 0)?.value == 0 && Offset(exactly: 9_007_199_254_740_991) == .max)
        #expect(Offset(exactly: 9_007_199_254_740_992) == nil && Offset(exactly: .max) == nil)
        #expect(
            Offset(clamping: UInt64.max) == .max && Offset(clamping: -1) == .zero && Offset(clamping: 17).value == 17)
    }

    @Test func countsToItsEnd() {
        #expect(Offset.max.next == nil && Offset.zero.previous == nil)
        #expect(Offset(clamping: 7).next == 8 && Offset(clamping: 7).previous == 6)
        #expect(Offset(clamping: 8).follows(7) && !Offset(clamping: 7).follows(7) && !Offset.zero.follows(.max))
        #expect(Offset(clamping: 3).count(to: 10) == 7 && Offset(clamping: 10).count(to: 3) == 0)
        #expect(Offset.zero.count(to: .max) == 9_007_199_254_740_991)
    }

    @Test(arguments: [
        ("0", 0), ("17", 17), ("0017", 17), ("9007199254740991", 9_007_199_254_740_991), ("9007199254740992", nil),
        ("18446744073709551615", nil), ("", nil), ("-1", nil), ("+1", nil), (" 1", nil), ("1.0", nil), ("1e3", nil),
        ("٧", nil), ("00000000000000001", nil), ("nan", nil),
    ])
    func readsDigits(_ text: String, _ value: UInt64?) {
        #expect(Offset(decimal: text.utf8)?.value == value)
    }

    @Test func leadsFromWhereItCan() {
        let past = EpochLineage(
            top: Position(epoch: 9, offset: 20), ends: [Position(epoch: 8, offset: 12), Position(epoch: 7, offset: 4)],
            beginnings: [50...60], first: .init(aliases: 52...55, epoch: 7))
        let good: [(UInt64, Offset)] = [(9, 20), (9, 0), (8, 12), (7, 4), (52, 4), (55, 0), (50, 0), (60, 0)]
        for (epoch, offset) in good { #expect(past.leads(from: Position(epoch: epoch, offset: offset))) }
        let bad: [(UInt64, Offset)] = [(9, 21), (8, 13), (7, 5), (52, 5), (51, 1), (49, 0), (61, 0), (6, 0), (9, .max)]
        for (epoch, offset) in bad { #expect(!past.leads(from: Position(epoch: epoch, offset: offset))) }
    }
}
