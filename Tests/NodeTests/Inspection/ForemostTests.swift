import Testing

@testable import Node

@Suite struct ForemostTests {
    /// Whatever the order in which they come.
    @Test(arguments: [0, 1, 2, 3, 7, 50, 100, 1000])
    func keepsTheFirstOnes(limit: Int) {
        var generator = Numbers(state: 7)
        for _ in 0..<20 {
            let numbers = (0..<100).map { _ in Int(generator.next() % 50) }
            var first = Foremost<Int>(limit, by: <)
            for number in numbers { first.offer(number) }
            #expect(first.sorted == Array(numbers.sorted().prefix(limit)))
            #expect(first.elements.count == min(limit, 100))
        }
    }

    private struct Numbers {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
    }
}
