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

    static func ticket(_ expected: ReplyQueue.Expected?) -> PublishTicket? {
        if case .publish(let ticket)? = expected { ticket } else { nil }
    }
}
