import Codec
import Testing

@testable import Backplane

@Suite struct SubscriberRepliesTests {
    let channels = ["a", "b", "c"].map { ChannelName(trusted: Array($0.utf8)) }

    @Test func anErrorBelongsToTheOldestCommandWithoutAnAnswer() {
        var replies = SubscriberReplies()
        for command: SubscriberReplies.Command in [
            .authenticate, .name, .join(3), .ping, .subscribe(channels), .unsubscribe([channels[0]]), .ping,
        ] { replies.append(command) }
        check(replies.answered(.other) == .authenticate)
        check(replies.answered(.error) == .name, "the name is refused, and nothing else")
        for _ in 0..<3 { check(replies.answered(.subscribed) == .join(3)) }
        check(replies.answered(.error) == .ping)
        check(replies.answered(.error) == .subscribe(channels), "one error for all its channels")
        check(replies.answered(.unsubscribed) == .unsubscribe([channels[0]]))
        check(replies.answered(.other) == .ping)
        check(replies.count == 0)
    }

    /// What cannot answer the oldest command answers nothing: the connection is of no use then.
    @Test func anAnswerOfAnotherKindAnswersNothing() {
        var replies = SubscriberReplies()
        check(replies.answered(.error) == nil)
        replies.append(.subscribe([channels[0]]))
        check(replies.answered(.unsubscribed) == nil)
        check(replies.answered(.other) == nil)
        check(replies.answered(.subscribed) == .subscribe([channels[0]]))
        replies.append(.ping)
        check(replies.answered(.subscribed) == nil)
        replies.removeAll()
        check(replies.count == 0 && replies.answered(.other) == nil)
    }

    @Test func manyCommandsTakeNoMoreMemoryThanThoseThatWait() {
        var replies = SubscriberReplies()
        replies.append(.ping)
        for _ in 0..<10_000 {
            replies.append(.subscribe(channels))
            check(replies.answered(.other) == .ping)
            for _ in channels { check(replies.answered(.subscribed) == .subscribe(channels)) }
            replies.append(.ping)
            check(replies.count == 1)
        }
    }
}
