package import Codec

/// What the replies of the command connection will be about, in order: Redis answers in the order it was asked.
package struct ReplyQueue {
    package enum Expected {
        case publish(PublishTicket)
        /// A publication that is kept, with all that is needed to send it again.
        case keep(PublishBuffer.Waiting)
        case read(HistoryQuery, (Result<HistoryPage, PublishRefusal>) -> Void)
        case disown((Result<Void, PublishRefusal>) -> Void)
        case script(RedisScript)
        case presence(PresenceReply)
        case identity
        case authenticated
        case selected
        case named
        case role
        case lease
        case beat
        case pong
        /// An answer whose failure costs nobody anything here.
        case nodeMessage
    }

    private var queue: [Expected] = []
    private var start = 0

    package init() {}

    package var count: Int { queue.count - start }

    @inline(__always)
    package mutating func append(_ expected: Expected) { queue.append(expected) }

    @inline(__always)
    package mutating func next() -> Expected? {
        guard start < queue.count else { return nil }
        let expected = queue[start]
        start += 1
        if start == queue.count {
            queue.removeAll(keepingCapacity: queue.count <= 64 * 1024)
            start = 0
        } else if start >= 64 * 1024 {
            queue.removeFirst(start)
            start = 0
        }
        return expected
    }

    /// The connection is gone.
    ///
    /// - Returns: What will never be answered.
    package mutating func takeAll() -> [Expected] {
        defer {
            queue = []
            start = 0
        }
        return Array(queue[start...])
    }
}
