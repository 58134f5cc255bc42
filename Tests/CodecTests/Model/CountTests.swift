import Codec
import Testing

@Suite struct CountTests {
    static let none: [Double] = [0.0, -0.0, -1.0, -Double.infinity, Double.nan, -Double.greatestFiniteMagnitude]
    static let most: [Double] = [Double.infinity, Double.greatestFiniteMagnitude, 1e19, 0x1p53, 0x1p53 - 1]

    @Test func holdsTheNearestCount() {
        #expect(Count(Int64(-1)) == 0 && Count(Int64.min) == 0 && Count(Int64.max).value == Count.maximum)
        #expect(Count(UInt64.max).value == Count.maximum && Count(7).value == 7)
        for number in Self.none { #expect(Count(number) == 0, "\(number)") }
        for number in Self.most { #expect(Count(number).value == Count.maximum, "\(number)") }
        let halves: [Double] = [0.9, 1.9, Double.leastNonzeroMagnitude]
        #expect(halves.map { Count($0) } == [0, 1, 0])
    }

    @Test func sumsStopAtTheLargest() {
        let largest = Count(Count.maximum)
        #expect(largest + 1 == largest && largest + largest == largest && [largest, largest, 5].sum == largest)
        #expect([Count](repeating: largest, count: 10_000).sum == largest)
        var count: Count = 3
        count += 4
        #expect(count == 7 && count.int == 7)
        #expect(UInt64(largest.int) == Count.maximum)
        #expect([Count]().sum == 0)
    }

    @Test func ratesAreFinite() {
        for number in Self.none { #expect(Rate(number).value == 0) }
        for number in Self.most { #expect(Rate(number).value == 0x1p53 - 1) }
        #expect(Rate(1.5).value == 1.5)
    }
}
