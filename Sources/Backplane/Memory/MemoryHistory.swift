package import Codec
package import Reactor

/// The histories of all channels of a node without Redis. Pure: it is given the time and randomness.
///
/// Only publications make something be kept. A channel nobody published to has no epoch of its own, so whoever reads it is told
/// offset 0 in the epoch of now: `base`, and how many times ends of channels were forgotten. The first publication
/// takes over the epoch of its moment. An earlier epoch leads there as long as no end of this channel was forgotten
/// since: `forgottenAt` remembers that for all channels together, in a table of a fixed size. When two channels share a place in
/// it, one may be told of a loss that was none, and never the other way round.
package struct MemoryHistory {
    private var slots: [MemoryStream?] = []
    private var free: [Int] = []
    private var index: [ChannelName: Int] = [:]
    /// Channels of which publications are kept, and those of which only the end is.
    private var full = RecencyList()
    private var ended = RecencyList()
    private var swept = 0
    package var keys = MemoryKeys()
    /// What the publications of all channels count: payloads, and an overhead for each.
    package private(set) var bytes = 0
    /// Publications given up because all together were too large.
    package private(set) var evicted: UInt64 = 0
    private let maximumBytes: Int
    private let base: UInt64
    private var generation: UInt64 = 0
    private var forgottenAt: [UInt64] = []

    /// How long the end of a channel nobody uses is remembered, beyond its publications.
    package static let idleLifetime: Duration = .seconds(3600)
    /// Channels that are looked at in one sweep.
    package static let sweepLimit = 4096
    private static let buckets = 1 << 16

    /// - Parameters:
    ///   - random: From which the epochs begin.
    ///   - maximumBytes: What publications and the ends of channels may count together.
    package init(random: UInt64, maximumBytes: Int = 256 << 20) {
        // With room for all the epochs of a process, and without a tag (`ClientOffset`): none of them leads to another.
        base = random >> 1 & (1 << 47 - 1)
        self.maximumBytes = maximumBytes
    }

    /// Channels of which anything is kept.
    package var channels: Int { index.count }
    private var total: Int { bytes + index.count * MemoryStream.overhead }
    private var now: UInt64 { base + generation }

    // MARK: Publishing

    /// Adds a publication at the end.
    package mutating func append(
        _ publication: Publication, _ settings: HistorySettings, now: MonotonicTime
    ) -> Publication {
        let channel = publication.channel
        var slot = index[channel] ?? make(channel, now)
        expire(slot, now)
        if slots[slot]?.offset.next == nil {
            // All offsets are used up: another epoch, and everybody is told.
            forget(slot)
            slot = make(channel, now)
        }
        guard var stream = slots[slot], let offset = stream.offset.next else { return publication }
        // Not two owners of the entries while they change.
        slots[slot] = nil
        stream.offset = offset
        stream.expiresAt = now + .milliseconds(settings.timeToLive)
        var stored = publication
        stored.position = stream.top
        bytes -= stream.bytes
        stream.append(stored, keeping: settings.size)
        bytes += stream.bytes
        slots[slot] = stream
        ended.remove(slot)
        full.use(slot)
        if total > maximumBytes { evict() }
        return stored
    }

    private mutating func make(_ channel: ChannelName, _ time: MonotonicTime) -> Int {
        let stream = MemoryStream(channel: channel, epoch: now, expiresAt: time)
        let slot: Int
        if let known = free.popLast() {
            slot = known
            slots[slot] = stream
        } else {
            slot = slots.count
            slots.append(stream)
        }
        index[channel] = slot
        return slot
    }

    // MARK: Forgetting

    /// Until a tenth of the room is free: the publications of channels that were not published to for longest; and their ends,
    /// when these alone take a quarter.
    private mutating func evict() {
        while total > maximumBytes / 10 * 9 {
            if ended.count * MemoryStream.overhead > maximumBytes / 4, let oldest = ended.oldest {
                forget(oldest)
            } else if let oldest = full.oldest {
                evicted &+= UInt64(slots[oldest]?.kept.count ?? 0)
                forgetEntries(oldest)
            } else if let oldest = ended.oldest {
                forget(oldest)
            } else {
                return
            }
        }
    }

    /// Gives up the publications of a channel, and keeps its end.
    package mutating func remove(_ channel: ChannelName) {
        if let slot = index[channel], slots[slot]?.isEmpty == false { forgetEntries(slot) }
    }

    private mutating func forgetEntries(_ slot: Int) {
        bytes -= slots[slot]?.bytes ?? 0
        slots[slot]?.removeAll()
        full.remove(slot)
        ended.use(slot)
    }

    private mutating func forget(_ slot: Int) {
        guard let stream = slots[slot] else { return }
        bytes -= stream.bytes
        full.remove(slot)
        ended.remove(slot)
        slots[slot] = nil
        index[stream.channel] = nil
        free.append(slot)
        if forgottenAt.isEmpty { forgottenAt = Array(repeating: 0, count: Self.buckets) }
        generation += 1
        forgottenAt[Self.bucket(of: stream.channel)] = generation
    }

    private mutating func expire(_ slot: Int, _ now: MonotonicTime) {
        if let stream = slots[slot], stream.expiresAt <= now, !stream.isEmpty { forgetEntries(slot) }
    }

    /// Forgets what is over, a part of all channels at a time. Channels somebody is subscribed to keep their end, so that nobody
    /// is told of a loss.
    package mutating func sweep(
        now: MonotonicTime, limit: Int = sweepLimit, isConfirmed: (ChannelName) -> Bool
    ) {
        keys.expire(now: now)
        for _ in 0..<min(limit, slots.count) {
            if swept >= slots.count { swept = 0 }
            let slot = swept
            swept += 1
            expire(slot, now)
            if let stream = slots[slot], stream.expiresAt + Self.idleLifetime <= now, !isConfirmed(stream.channel) {
                forget(slot)
            }
        }
    }

    // MARK: Reading

    package mutating func page(_ query: HistoryQuery, now: MonotonicTime) -> HistoryPage {
        let slot = index[query.channel]
        if let slot { expire(slot, now) }
        let stream = slot.flatMap { slots[$0] }
        let lineage = lineage(of: query.channel, stream)
        guard query.since.map(lineage.leads(from:)) ?? true else {
            return HistoryPage(publications: [], lineage: lineage, isContinuous: false)
        }
        guard let stream, query.limit > 0 else {
            return HistoryPage(publications: [], lineage: lineage, isContinuous: true)
        }
        // trap-ok: two moments of our own clock, at most the longest time to live apart
        let remaining = stream.isEmpty ? nil : Int64(clamping: (stream.expiresAt - now).wholeNanoseconds / 1_000_000)
        if query.isReverse {
            let before = query.since.map { stream.preceding($0.offset) } ?? stream.kept
            let chosen = Self.fitting(before.reversed(), query)
            return HistoryPage(
                publications: chosen, lineage: lineage, isContinuous: true, isCut: chosen.count < before.count,
                remaining: remaining)
        }
        guard let after = query.since.map({ stream.following($0.offset) }) ?? stream.kept else {
            return HistoryPage(publications: [], lineage: lineage, isContinuous: false)
        }
        let chosen = Self.fitting(after, query)
        return HistoryPage(
            publications: chosen, lineage: lineage, isContinuous: true, isCut: chosen.count < after.count,
            remaining: remaining)
    }

    /// As many as a page has room for, and at least one.
    private static func fitting(_ publications: some Sequence<Publication>, _ query: HistoryQuery) -> [Publication] {
        var chosen: [Publication] = []
        var bytes = 0
        for publication in publications {
            bytes += MemoryStream.size(of: publication)
            guard chosen.isEmpty || (chosen.count < query.limit && bytes <= query.bytes) else { break }
            chosen.append(publication)
        }
        return chosen
    }

    private func lineage(of channel: ChannelName, _ stream: MemoryStream?) -> EpochLineage {
        let oldest = base + (forgottenAt.isEmpty ? 0 : forgottenAt[Self.bucket(of: channel)])
        guard let stream else {
            return EpochLineage(
                top: Position(epoch: now, offset: .zero), beginnings: [oldest...now],
                first: .init(aliases: oldest...now, epoch: now))
        }
        // Another channel with the same place in the table may have been forgotten since this one began.
        let aliases = oldest <= stream.epoch ? oldest...stream.epoch : nil
        return EpochLineage(
            top: stream.top, beginnings: aliases.map { [$0] } ?? [],
            first: aliases.map { .init(aliases: $0, epoch: stream.epoch) })
    }

    private static func bucket(of channel: ChannelName) -> Int {
        // FNV-1a: names are short, and a collision costs somebody a read of what it had.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in channel.bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return Int(truncatingIfNeeded: (hash ^ hash >> 32) & UInt64(buckets - 1))
    }
}
