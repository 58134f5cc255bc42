import Codec
import Testing

@testable import Node

@Suite struct QuestionTableTests {
    let first = NodeID(1)
    let second = NodeID(2)

    @Test func isCompleteWhenEverybodyAnswered() throws {
        var table = QuestionTable()
        let number = table.asked([first, second])
        let id = try #require(number)
        check(table.answered(id, from: first, [1]) == nil)
        check(table.answered(id, from: first, [9]) == nil, "a second answer does not count")
        check(table.answered(id, from: NodeID(3), [9]) == nil, "nobody asked that node")
        check(table.answered(id + 1, from: second, [9]) == nil, "nobody asked that")
        let last = table.answered(id, from: second, [2])
        let answers = try #require(last)
        #expect(answers.asked == 2 && answers.answered == 2)
        #expect(table.count == 0)
        check(table.expired(id) == nil)
    }

    @Test func saysHowManyAnsweredWhenTimeIsUp() throws {
        var table = QuestionTable()
        let number = table.asked([first, second])
        let id = try #require(number)
        _ = table.answered(id, from: second, [2])
        let last = table.expired(id)
        let answers = try #require(last)
        #expect(answers.asked == 2 && answers.answered == 1)
        check(table.answered(id, from: first, [1]) == nil)
    }

    @Test func doesNotWaitForTheDead() throws {
        var table = QuestionTable()
        let number = table.asked([first, second])
        let id = try #require(number)
        let otherNumber = table.asked([second])
        let other = try #require(otherNumber)
        _ = table.answered(id, from: first, [1])
        check(Set(table.left(second).map(\.id)) == [id, other])
        #expect(table.count == 0)
    }

    @Test func isBounded() {
        var table = QuestionTable()
        for _ in 0..<QuestionTable.maximumOpen { check(table.asked([first]) != nil) }
        check(table.asked([first]) == nil)
    }
}
