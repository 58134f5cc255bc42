import Backplane
package import Codec

/// Whom an answer is for that comes later: the session, if it is still there, and what the reply belongs to in its dialect.
package struct ReplyTo: Sendable {
    package let session: Locator
    package let id: ReplyID

    package init(_ session: Locator, _ id: ReplyID) {
        self.session = session
        self.id = id
    }
}

extension PublishTicket {
    init(_ replyTo: ReplyTo) {
        self.init(
            reactor: replyTo.session.reactor, slot: replyTo.session.slot, generation: replyTo.session.generation,
            command: replyTo.id.number)
    }
}
