import Codec
import Reactor
import Testing

@testable import Backplane

@Suite struct ReplyQueueTests {
    @Test func answersInOrder() {
        var queue = ReplyQueue()
        for number in 1...200_000 as ClosedRange<UInt64> {
            queue.append(.publish(.waiter(number)))
            if number > 10 { check(Self.ticket(queue.next()) == .waiter(number - 10)) }
        }
        check(queue.count == 10)
        check(queue.takeAll().count == 10)
        if case nil = queue.next() {} else { Issue.record("nothing more was asked") }
    }

    /// Publications wait apart from the other commands, and are answered in their places between them all the same.
    @Test func keepsTheOrderOfPublicationsAndOthers() {
        var queue = ReplyQueue()
        var random = SystemRandomNumberGenerator()
        var sent: [UInt64?] = []
        var heard = 0
        for number in 1...50_000 as ClosedRange<UInt64> {
            let isPublication = Bool.random(using: &random)
            sent.append(isPublication ? number : nil)
            queue.append(isPublication ? .publish(.waiter(number)) : .pong)
            if Int.random(in: 0..<3, using: &random) == 0 { queue.markRepeat() }
            while heard < sent.count, Bool.random(using: &random) {
                if let next = sent[heard] {
                    let ticket = Bool.random(using: &random) ? queue.nextPublish() : Self.ticket(queue.next())
                    check(ticket == .waiter(next))
                } else {
                    check(queue.nextPublish() == nil, "the next answer is about something else")
                    if case .pong? = queue.next() {} else { Issue.record("reply \(heard) is about something else") }
                }
                heard += 1
                check(queue.answered == UInt64(heard) && queue.count == sent.count - heard)
            }
        }
        let left = queue.takeAll()
        check(
            left.map { Self.ticket($0) } == sent[heard...].map { $0.map { .waiter($0) } },
            "in the order in which it was sent")
    }

    @Test func knowsWhichCommandsWereRepeated() {
        var queue = ReplyQueue()
        queue.append(.publish(.waiter(1)))
        queue.append(.pong)
        queue.markRepeat()
        queue.append(.publish(.waiter(2)))
        queue.markRepeat()
        queue.append(.publish(.waiter(3)))
        var repeated: [Bool] = []
        while queue.next() != nil { repeated.append(queue.wasRepeat) }
        check(repeated == [false, true, true, false])
    }

    static func ticket(_ expected: ReplyQueue.Expected?) -> PublishTicket? {
        if case .publish(let ticket)? = expected { ticket } else { nil }
    }
}
