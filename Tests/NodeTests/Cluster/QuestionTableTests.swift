import Codec
import Testing

@testable import Node

@Suite struct QuestionTableTests {
    let first = NodeID(1)
    let second = NodeID(2)

    @Test func isCompleteWhenEverybodyAnswered() throws {
        var table = QuestionTable()
        var random = SystemRandomNumberGenerator()
        let number = table.asked([first, second], using: &random)
        let id = try #require(number)
        check(table.answered(id, from: first, [1]) == nil)
        check(table.answered(id, from: first, [9]) == nil, "a second answer does not count")
        check(table.answered(id, from: NodeID(3), [9]) == nil, "nobody asked that node")
        check(table.answered(id &+ 1, from: second, [9]) == nil, "nobody asked that")
        let last = table.answered(id, from: second, [2])
        let answers = try #require(last)
        #expect(answers.asked == 2 && answers.answered == 2)
        #expect(table.count == 0)
        check(table.expired(id) == nil)
    }

    @Test func saysHowManyAnsweredWhenTimeIsUp() throws {
        var table = QuestionTable()
        var random = SystemRandomNumberGenerator()
        let number = table.asked([first, second], using: &random)
        let id = try #require(number)
        _ = table.answered(id, from: second, [2])
        let last = table.expired(id)
        let answers = try #require(last)
        #expect(answers.asked == 2 && answers.answered == 1 && answers.missing == [first])
        check(table.answered(id, from: first, [1]) == nil)
    }

    @Test func doesNotWaitForTheDead() throws {
        var table = QuestionTable()
        var random = SystemRandomNumberGenerator()
        let number = table.asked([first, second], using: &random)
        let id = try #require(number)
        let otherNumber = table.asked([second], using: &random)
        let other = try #require(otherNumber)
        _ = table.answered(id, from: first, [1])
        let complete = table.left(second)
        #expect(Set(complete.map(\.id)) == [id, other])
        #expect(complete.allSatisfy { $0.answers.missing.isEmpty }, "who has left is not missing")
        #expect(table.count == 0)
    }

    @Test func isBounded() {
        var table = QuestionTable()
        var random = SystemRandomNumberGenerator()
        for _ in 0..<QuestionTable.maximumOpen { check(table.asked([first], using: &random) != nil) }
        check(table.asked([first], using: &random) == nil)
    }

    /// Knowing some numbers is no way to know another.
    @Test func numbersCannotBeGuessed() {
        var table = QuestionTable()
        var random = SystemRandomNumberGenerator()
        let numbers = (0..<200).compactMap { _ in table.asked([first], using: &random) }
        check(Set(numbers).count == 200)
        let bits = (0..<64).map { bit in numbers.count { $0 >> UInt64(bit) & 1 == 1 } }
        check(bits.allSatisfy { (50...150).contains($0) }, "every bit is random: \(bits)")
        for id in 0..<10_000 as Range<UInt64> { check(table.answered(id, from: first, [1]) == nil) }
        check(table.ignored == 10_000)
    }

    /// The generator is taken at its word, but an open question's number is never given again.
    @Test func numbersOfOpenQuestionsAreNotGivenAgain() {
        struct Counting: RandomNumberGenerator {
            var calls: UInt64 = 0
            mutating func next() -> UInt64 {
                calls += 1
                return calls / 2
            }
        }
        var table = QuestionTable()
        var random = Counting()
        check((0..<3).compactMap { _ in table.asked([first], using: &random) } == [0, 1, 2])
    }

    @Test func answersTogetherAreBounded() throws {
        var table = QuestionTable()
        var random = SystemRandomNumberGenerator()
        let nodes = Set((1...10).map { NodeID($0) })
        let number = table.asked(nodes, using: &random)
        let id = try #require(number)
        let large = [UInt8](repeating: 0, count: 16 * 1024 * 1024)
        var last: QuestionTable.Answers?
        for node in nodes { last = table.answered(id, from: node, large) ?? last }
        let answers = try #require(last, "those that are not kept are not waited for either")
        #expect(answers.asked == 10 && answers.answered == 4)
        #expect(table.ignored == 6)
        // What was kept for it is free again.
        let nextNumber = table.asked([first], using: &random)
        let next = try #require(nextNumber)
        check(table.answered(next, from: first, large)?.answered == 1)
    }
}
