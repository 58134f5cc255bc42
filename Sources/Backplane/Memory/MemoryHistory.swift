package import Codec
package import Reactor

/// The histories of all channels of a node without Redis. Pure: it is given the time and randomness.
package struct MemoryHistory {
    private struct Stream {
        let epoch: UInt64
        var offset: UInt64 = 0
        /// Oldest first; those before `start` are gone.
        var entries: [Publication] = []
        var start = 0
        var bytes = 0
        var expiresAt: MonotonicTime
        var usedAt: MonotonicTime
    }

    private struct Key: Hashable {
        let channel: ChannelName
        let key: [UInt8]
    }

    private var streams: [ChannelName: Stream] = [:]
    private var keys: [Key: (position: Position?, until: MonotonicTime)] = [:]
    /// Payload bytes of all channels.
    package private(set) var bytes = 0
    /// Publications given up because all together were too large.
    package private(set) var evicted: UInt64 = 0
    private let maximumBytes: Int

    /// How long a publication's idempotency key is remembered.
    package static let keyLifetime: Duration = .seconds(300)
    /// How long the end of a channel nobody uses is remembered, beyond its publications.
    package static let idleLifetime: Duration = .seconds(3600)
    /// Idempotency keys remembered at the most.
    package static let maximumKeys = 100_000

    package init(maximumBytes: Int = 256 << 20) { self.maximumBytes = maximumBytes }

    /// The outcome of an earlier publication with the same key.
    package func position(of key: [UInt8], in channel: ChannelName, now: MonotonicTime) -> Position?? {
        guard let known = keys[Key(channel: channel, key: key)], known.until > now else { return nil }
        return .some(known.position)
    }

    package mutating func remember(
        _ key: [UInt8], in channel: ChannelName, as position: Position?, now: MonotonicTime
    ) {
        if keys.count >= Self.maximumKeys { keys = keys.filter { $0.value.until > now } }
        if keys.count >= Self.maximumKeys { keys.removeAll() }
        keys[Key(channel: channel, key: key)] = (position, now + Self.keyLifetime)
    }

    /// Adds a publication at the end.
    ///
    /// - Parameter epoch: For the first one of a channel.
    package mutating func append(
        _ publication: Publication, _ settings: HistorySettings, now: MonotonicTime, epoch: UInt64
    ) -> Publication {
        let channel = publication.channel
        expire(channel, now)
        var stream = streams[channel] ?? Stream(epoch: epoch, expiresAt: now, usedAt: now)
        streams[channel] = nil
        stream.offset += 1
        stream.usedAt = now
        stream.expiresAt = now + .milliseconds(settings.timeToLive)
        var placed = publication
        placed.position = Position(epoch: stream.epoch, offset: stream.offset)
        stream.entries.append(placed)
        stream.bytes += placed.payload.count
        bytes += placed.payload.count
        while stream.entries.count - stream.start > settings.size { dropOldest(&stream) }
        if stream.start > 64, stream.start * 2 > stream.entries.count {
            stream.entries.removeFirst(stream.start)
            stream.start = 0
        }
        streams[channel] = stream
        if bytes > maximumBytes { evict() }
        return placed
    }

    private mutating func dropOldest(_ stream: inout Stream) {
        let count = stream.entries[stream.start].payload.count
        stream.bytes -= count
        bytes -= count
        stream.start += 1
    }

    /// Gives up the histories of channels that were not published to for longest, until a tenth of the room is free.
    private mutating func evict() {
        for (channel, stream) in streams.sorted(by: { $0.value.usedAt < $1.value.usedAt }) {
            guard bytes > maximumBytes / 10 * 9 else { return }
            evicted += UInt64(stream.entries.count - stream.start)
            forgetEntries(of: channel)
        }
    }

    private mutating func forgetEntries(of channel: ChannelName) {
        guard let stream = streams[channel] else { return }
        bytes -= stream.bytes
        streams[channel]?.entries = []
        streams[channel]?.start = 0
        streams[channel]?.bytes = 0
    }

    private mutating func expire(_ channel: ChannelName, _ now: MonotonicTime) {
        if let stream = streams[channel], stream.expiresAt <= now, stream.bytes > 0 || !stream.entries.isEmpty {
            forgetEntries(of: channel)
        }
    }

    /// Forgets what is over. Channels somebody is subscribed to keep their end, so that nobody is told of a loss.
    package mutating func sweep(now: MonotonicTime, isHeld: (ChannelName) -> Bool) {
        for (channel, stream) in streams {
            expire(channel, now)
            if stream.expiresAt + Self.idleLifetime <= now, !isHeld(channel) { streams[channel] = nil }
        }
        keys = keys.filter { $0.value.until > now }
    }

    /// - Parameter epoch: For a channel that nothing was ever published to.
    package mutating func page(_ query: HistoryQuery, now: MonotonicTime, epoch: UInt64) -> HistoryPage {
        expire(query.channel, now)
        let stream: Stream
        if let known = streams[query.channel] {
            stream = known
        } else {
            // From here on the position that was told has to hold.
            stream = Stream(epoch: epoch, expiresAt: now, usedAt: now)
            streams[query.channel] = stream
        }
        let top = Position(epoch: stream.epoch, offset: stream.offset)
        var entries = stream.entries[stream.start...]
        var isContinuous = true
        if let since = query.since {
            isContinuous = since.epoch == top.epoch && since.offset <= top.offset
            if query.isReverse {
                entries = entries.prefix { ($0.position?.offset ?? 0) < since.offset }
            } else {
                let first = entries.first?.position?.offset ?? top.offset + 1
                isContinuous = isContinuous && since.offset + 1 >= first
                entries = entries.drop { ($0.position?.offset ?? 0) <= since.offset }
            }
        }
        guard isContinuous || query.isReverse else {
            return HistoryPage(publications: [], top: top, isContinuous: false)
        }
        let chosen =
            query.isReverse ? Array(entries.reversed().prefix(query.limit)) : Array(entries.prefix(query.limit))
        return HistoryPage(publications: chosen, top: top, isContinuous: isContinuous)
    }
}
