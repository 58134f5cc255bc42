import Codec

/// Publications that are kept wait here once so many of them are under way. Pure.
///
/// Redis carries out one command at a time, and keeping a publication costs it as much as several plain ones. Whatever is sent
/// behind them, from any session, waits for all of them. So a burst does not go to Redis at once: plain publications, beats and
/// reads of the same turn come between.
package struct PublishPacing {
    /// Publications under way before others wait. At 50 µs each Redis is busy for 6 ms; a round trip of 2 ms allows
    /// 64,000 a second.
    package static let window = 128

    private var waiting = Fifo<PublishBuffer.Waiting>()
    /// Sent, and not answered yet.
    package private(set) var underWay = 0
    /// Payload bytes that wait.
    package private(set) var bytes = 0

    package init() {}

    /// How many wait.
    package var count: Int { waiting.count }

    /// Whether one more may be sent now: none waits before it, and there is room.
    package var isOpen: Bool { count == 0 && underWay < Self.window }

    package mutating func append(_ publication: PublishBuffer.Waiting) {
        waiting.append(publication)
        bytes += publication.publication.payload.count
    }

    package mutating func sent() { underWay += 1 }

    package mutating func answered() { if underWay > 0 { underWay -= 1 } }

    /// The next one that may be sent.
    package mutating func next() -> PublishBuffer.Waiting? {
        guard underWay < Self.window, let first = waiting.next() else { return nil }
        bytes -= first.publication.payload.count
        return first
    }

    /// Those of some partitions, oldest first: another server has them from now on.
    package mutating func take(_ partitions: PartitionSet) -> [PublishBuffer.Waiting] {
        var (taken, rest): ([PublishBuffer.Waiting], Fifo<PublishBuffer.Waiting>) = ([], Fifo())
        for one in waiting.all {
            if partitions.contains(one.publication.channel) {
                taken.append(one)
                bytes -= one.publication.payload.count
            } else {
                rest.append(one)
            }
        }
        if !taken.isEmpty { waiting = rest }
        return taken
    }

    /// The connection is gone, and with it all answers.
    ///
    /// - Returns: What was never sent, oldest first.
    package mutating func takeAll() -> [PublishBuffer.Waiting] {
        defer { self = PublishPacing() }
        return waiting.all
    }
}
