package import Codec

/// Publications that are kept wait here for the end of the turn, and longer once many of them are under way. Pure.
///
/// At the end of a turn, publications that follow each other to one channel go together: Redis keeps 16 of them with a third of the
/// work of 16 commands (docs/decisions/0049-history-in-batches.md).
///
/// Redis carries out one command at a time, and keeping a publication costs it as much as several plain ones. Whatever is sent
/// behind them, from any session, waits for all of them. So a burst does not go to Redis at once: plain publications, beats and
/// reads of the same turn come between.
package struct PublishPacing {
    /// Publications under way before others wait. At 50 µs each Redis is busy for 6 ms; a round trip of 2 ms allows
    /// 64,000 a second.
    package static let window = 128

    private var waiting = Fifo<PublishBuffer.Waiting>()
    /// How many wait for each channel.
    private var waitingFor: [ChannelName: Int] = [:]
    /// Nothing is sent until the reply with this number is there.
    private var heldUntil: UInt64 = 0
    /// Sent, and not answered yet.
    package private(set) var underWay = 0
    /// Payload bytes that wait.
    package private(set) var bytes = 0

    package init() {}

    /// How many wait.
    package var count: Int { waiting.count }

    /// The most that go together. Redis does nothing else while it keeps them, which is some 200 µs.
    package static let batch = 32
    /// Payload bytes from which on no more go together.
    package static let batchBytes = 64 * 1024

    package mutating func append(_ publication: PublishBuffer.Waiting) {
        waiting.append(publication)
        waitingFor[publication.publication.channel, default: 0] += 1
        bytes += publication.publication.payload.count
    }

    /// Whether something waits that is to come before whatever is published to this channel now.
    package func hasWaiting(for channel: ChannelName) -> Bool { waitingFor[channel] != nil }

    /// Redis did not carry out what was sent, and it is sent again: what waits goes behind all that is under way, because the rest of that
    /// may have to be sent again too.
    package mutating func hold(until number: UInt64) { heldUntil = number }

    /// - Parameter answered: The number of the last reply.
    package func isHeld(answered: UInt64) -> Bool { answered < heldUntil }

    private mutating func left(_ count: Int, for channel: ChannelName) {
        guard let known = waitingFor[channel] else { return }
        waitingFor[channel] = known > count ? known - count : nil
    }

    package mutating func sent(_ count: Int) { underWay += count }

    package mutating func answered(_ count: Int) { underWay = max(0, underWay - count) }

    /// The next ones that may be sent: all to one channel with the same settings, in their order. None if nothing may be sent.
    ///
    /// Publications to other channels are not overtaken.
    package mutating func next() -> [PublishBuffer.Waiting] {
        let room = min(Self.batch, Self.window - underWay)
        guard room > 0, let first = waiting.next() else { return [] }
        var batch = [first]
        var size = first.publication.payload.count
        while batch.count < room, size < Self.batchBytes, let next = waiting.first,
            next.publication.channel == first.publication.channel, next.history == first.history
        {
            _ = waiting.next()
            size += next.publication.payload.count
            batch.append(next)
        }
        bytes -= size
        left(batch.count, for: first.publication.channel)
        return batch
    }

    /// Those of some partitions, oldest first: another server has them from now on.
    package mutating func take(_ partitions: PartitionSet) -> [PublishBuffer.Waiting] {
        var (taken, rest): ([PublishBuffer.Waiting], Fifo<PublishBuffer.Waiting>) = ([], Fifo())
        for one in waiting.all {
            if partitions.contains(one.publication.channel) {
                taken.append(one)
                left(1, for: one.publication.channel)
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
