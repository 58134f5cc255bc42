import Codec
import Testing

@testable import Node

@Suite struct QuestionTableTests {
    let first = NodeID(1)
    let second = NodeID(2)

    @Test func isCompleteWhenEverybodyAnswered() throws {
        var table = QuestionTable()
        let id = try #require(table.asked([first, second]))
        #expect(table.answered(id, from: first, [1]) == nil)
        #expect(table.answered(id, from: first, [9]) == nil, "a second answer does not count")
        #expect(table.answered(id, from: NodeID(3), [9]) == nil, "nobody asked that node")
        #expect(table.answered(id + 1, from: second, [9]) == nil, "nobody asked that")
        let answers = try #require(table.answered(id, from: second, [2]))
        #expect(answers.asked == 2 && answers.answered == 2)
        #expect(table.count == 0)
        #expect(table.expired(id) == nil)
    }

    @Test func saysHowManyAnsweredWhenTimeIsUp() throws {
        var table = QuestionTable()
        let id = try #require(table.asked([first, second]))
        _ = table.answered(id, from: second, [2])
        let answers = try #require(table.expired(id))
        #expect(answers.asked == 2 && answers.answered == 1)
        #expect(table.answered(id, from: first, [1]) == nil)
    }

    @Test func doesNotWaitForTheDead() throws {
        var table = QuestionTable()
        let id = try #require(table.asked([first, second]))
        let other = try #require(table.asked([second]))
        _ = table.answered(id, from: first, [1])
        #expect(Set(table.left(second).map(\.id)) == [id, other])
        #expect(table.count == 0)
    }

    @Test func isBounded() {
        var table = QuestionTable()
        for _ in 0..<QuestionTable.maximumOpen { #expect(table.asked([first]) != nil) }
        #expect(table.asked([first]) == nil)
    }
}
