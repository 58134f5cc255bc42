package import Codec
package import Reactor

/// Which channels this node wants and which Redis has subscribed it to. Pure.
///
/// What is wanted is kept apart from what Redis was told and what Redis confirmed, so that a channel may be wanted
/// again while its UNSUBSCRIBE is under way, and a lost connection only means that everything wanted is to be asked for
/// anew.
package struct InterestTable {
    private enum State: Equatable {
        /// In the queue, not asked for.
        case queued
        case opening
        case active
        /// Not wanted any more, and still subscribed until this moment.
        case lingering(MonotonicTime)
        case closing
        /// Redis does not allow it. It is asked for again from this moment on.
        case refused(MonotonicTime)
    }

    private struct Entry {
        var state: State
        var isWanted: Bool
        /// Whether `held` was said for it; a reconnect does not say it again.
        var isConfirmed = false
    }

    /// Channels in one SUBSCRIBE.
    package static let batch = 512
    /// SUBSCRIBE commands under way at the most: their replies count against the output limit Redis has for us.
    package static let batchesInFlight = 4
    /// How long a channel stays subscribed after nobody wants it.
    package static let linger: Duration = .seconds(1)
    /// How long a channel that Redis does not allow is not asked for again.
    package static let refusalPause: Duration = .seconds(10)

    private var entries: [ChannelName: Entry] = [:]
    private var queue: InterestQueue
    /// Partitions whose channels are not asked for here now: they are about to move to another server.
    package private(set) var blocked = PartitionSet.none
    /// Parts of a SUBSCRIBE that was refused as a whole, to be asked for each by itself.
    private var parts: [[ChannelName]] = []
    /// Channels Redis does not allow, oldest first; some may not be wanted any more.
    private var refused: [(channel: ChannelName, until: MonotonicTime)] = []
    private var lingering: [(channel: ChannelName, until: MonotonicTime)] = []
    /// Channels asked for and not confirmed.
    package private(set) var unconfirmed = 0
    private var isLinked = false

    /// - Parameter isDivided: Whether a SUBSCRIBE names channels of one partition only, because pub/sub is sharded.
    package init(isDivided: Bool = false) { queue = InterestQueue(isDivided: isDivided) }

    /// Channels that are wanted or not given up yet.
    package var count: Int { entries.count }
    package var isLingering: Bool { !lingering.isEmpty }
    /// Whether everything wanted is confirmed, or is not allowed.
    package var isComplete: Bool { unconfirmed == 0 && queue.count(without: blocked) == 0 && parts.isEmpty }
    /// Channels that are wanted and that Redis does not allow.
    package private(set) var refusals = 0

    /// What follows when a channel is wanted.
    package enum Wanted: Sendable {
        /// It is confirmed already: `held` is to be said.
        case confirmed
        /// It is in the queue, or the answer under way decides.
        case ask
    }

    /// A channel is wanted.
    package mutating func addInterest(_ channel: ChannelName) -> Wanted {
        guard var entry = entries[channel] else {
            entries[channel] = Entry(state: .queued, isWanted: true)
            enqueue(channel)
            return .ask
        }
        entry.isWanted = true
        var isConfirmed = false
        switch entry.state {
        case .active, .lingering:
            entry.state = .active
            isConfirmed = true
        case .queued, .opening, .closing, .refused:
            // Confirmed, or asked for anew, when the answer under way has come.
            entry.isConfirmed = false
        }
        if isConfirmed { entry.isConfirmed = true }
        entries[channel] = entry
        return isConfirmed ? .confirmed : .ask
    }

    /// A channel is not wanted any more.
    package mutating func dropInterest(_ channel: ChannelName, now: MonotonicTime) {
        guard var entry = entries[channel] else { return }
        entry.isWanted = false
        entry.isConfirmed = false
        switch entry.state {
        case .queued:
            entries[channel] = nil
            return
        case .refused:
            entries[channel] = nil
            refusals -= 1
            return
        case .active:
            let until = now + Self.linger
            entry.state = .lingering(until)
            lingering.append((channel, until))
        case .opening, .lingering, .closing: break
        }
        entries[channel] = entry
    }

    private mutating func enqueue(_ channel: ChannelName) { queue.append(channel) }

    /// What is to be asked for now: at most a batch, nothing while enough is under way.
    package mutating func nextBatch() -> [ChannelName] {
        guard isLinked, unconfirmed <= Self.batch * (Self.batchesInFlight - 1) else { return [] }
        var batch: [ChannelName] = []
        while batch.isEmpty, let part = parts.popLast() {
            for channel in part where entries[channel]?.state == .queued {
                entries[channel]?.state = .opening
                batch.append(channel)
            }
        }
        if !batch.isEmpty {
            unconfirmed += batch.count
            return batch
        }
        // A part may have nothing but channels that are not wanted any more.
        while batch.isEmpty, let part = queue.nextPart(without: blocked) {
            while batch.count < Self.batch, let channel = queue.take(from: part) {
                guard entries[channel]?.state == .queued else { continue }
                entries[channel]?.state = .opening
                batch.append(channel)
            }
        }
        unconfirmed += batch.count
        return batch
    }

    /// Redis has confirmed a SUBSCRIBE.
    ///
    /// - Returns: Whether `held` is to be said.
    package mutating func subscribed(_ channel: ChannelName, now: MonotonicTime) -> Bool {
        guard var entry = entries[channel], entry.state == .opening else { return false }
        unconfirmed -= 1
        entry.state = .active
        let isNews = entry.isWanted && !entry.isConfirmed
        if entry.isWanted { entry.isConfirmed = true }
        entries[channel] = entry
        if !entry.isWanted { dropInterest(channel, now: now) }
        return isNews
    }

    /// Redis could not carry out a SUBSCRIBE: it is asked for again.
    package mutating func postponed(_ channels: [ChannelName]) {
        for channel in takeUnconfirmed(channels) { enqueue(channel) }
    }

    /// Redis does not allow a SUBSCRIBE. It refuses a command as a whole when one of its channels is not allowed, so the
    /// channels are asked for in halves until it is known which one that is.
    ///
    /// - Returns: The channel that is not allowed, once it is known.
    package mutating func refused(_ channels: [ChannelName], now: MonotonicTime) -> ChannelName? {
        let rest = takeUnconfirmed(channels)
        guard rest.count == 1, let channel = rest.first else {
            guard !rest.isEmpty else { return nil }
            parts.append(Array(rest[(rest.count / 2)...]))
            parts.append(Array(rest[..<(rest.count / 2)]))
            return nil
        }
        let until = now + Self.refusalPause
        entries[channel]?.state = .refused(until)
        refused.append((channel, until))
        refusals += 1
        return channel
    }

    /// Those of a SUBSCRIBE that are wanted and were not confirmed are to be asked for again.
    private mutating func takeUnconfirmed(_ channels: [ChannelName]) -> [ChannelName] {
        channels.filter { channel in
            guard let entry = entries[channel], entry.state == .opening else { return false }
            unconfirmed -= 1
            if entry.isWanted { entries[channel]?.state = .queued } else { entries[channel] = nil }
            return entry.isWanted
        }
    }

    /// What Redis did not allow is asked for again after a while: its rules may have changed.
    package mutating func retryRefused(now: MonotonicTime) {
        guard refused.contains(where: { $0.until <= now }) else { return }
        for (channel, until) in refused where until <= now && entries[channel]?.state == .refused(until) {
            entries[channel]?.state = .queued
            refusals -= 1
            enqueue(channel)
        }
        refused.removeAll { $0.until <= now }
    }

    /// Redis did not carry out an UNSUBSCRIBE: the channels are still subscribed.
    ///
    /// - Returns: Those that are wanted again, for which `held` is to be said.
    package mutating func stillSubscribed(_ channels: [ChannelName], now: MonotonicTime) -> [ChannelName] {
        channels.filter { channel in
            guard let entry = entries[channel], entry.state == .closing else { return false }
            entries[channel]?.state = .active
            if entry.isWanted { entries[channel]?.isConfirmed = true } else { dropInterest(channel, now: now) }
            return entry.isWanted
        }
    }

    /// What nobody has wanted for the length of the linger and is to be unsubscribed now.
    package mutating func expired(now: MonotonicTime) -> [ChannelName] {
        var gone: [ChannelName] = []
        var kept: [(ChannelName, MonotonicTime)] = []
        for (channel, until) in lingering {
            // Only the last release counts: in between it may have been wanted again.
            guard entries[channel]?.state == .lingering(until) else { continue }
            if until <= now {
                entries[channel]?.state = .closing
                gone.append(channel)
            } else {
                kept.append((channel, until))
            }
        }
        lingering = kept.map { (channel: $0.0, until: $0.1) }
        return gone
    }

    /// Redis has confirmed an UNSUBSCRIBE.
    package mutating func unsubscribed(_ channel: ChannelName) {
        guard let entry = entries[channel], entry.state == .closing else { return }
        if entry.isWanted {
            entries[channel]?.state = .queued
            enqueue(channel)
        } else {
            entries[channel] = nil
            entries.giveBack()
        }
    }

    /// The subscriber connection is ready: everything wanted is asked for on it.
    ///
    /// - Returns: How many channels that is.
    package mutating func connected() -> Int {
        disconnected()
        isLinked = true
        return queue.count
    }

    /// The subscriber connection is gone, and every subscription with it.
    package mutating func disconnected() {
        isLinked = false
        unconfirmed = 0
        lingering = []
        queue.removeAll()
        parts = []
        refused = []
        refusals = 0
        for (channel, entry) in entries {
            if entry.isWanted {
                entries[channel]?.state = .queued
                queue.append(channel)
            } else {
                entries[channel] = nil
            }
        }
    }

    // MARK: Moving to another server

    /// The server does not have these partitions any more, or may not: nothing of them is asked for until that is known.
    package mutating func block(_ partition: Int) { blocked.insert(partition) }
    package mutating func unblock(_ partitions: PartitionSet) { blocked.subtract(partitions) }

    /// The server ended a subscription by itself: it has to be asked for again, here or elsewhere.
    package mutating func ended(_ channel: ChannelName) {
        guard var entry = entries[channel] else { return }
        switch entry.state {
        case .active, .lingering, .closing:
            guard entry.isWanted else {
                entries[channel] = nil
                return
            }
            entry.state = .queued
            entries[channel] = entry
            enqueue(channel)
        case .queued, .opening, .refused: break
        }
    }

    /// Everything in these partitions is another server's business from now on.
    ///
    /// - Returns: The channels that are wanted, and whether `held` was said for them.
    package mutating func extract(_ partitions: PartitionSet) -> [(channel: ChannelName, isConfirmed: Bool)] {
        guard !partitions.isEmpty else { return [] }
        var taken: [(channel: ChannelName, isConfirmed: Bool)] = []
        for (channel, entry) in entries where partitions.contains(channel) {
            if entry.state == .opening { unconfirmed -= 1 }
            if case .refused = entry.state { refusals -= 1 }
            if entry.isWanted { taken.append((channel, entry.isConfirmed)) }
            entries[channel] = nil
        }
        entries.giveBack()
        queue.remove(partitions)
        blocked.subtract(partitions)
        return taken
    }

    /// The channels that are wanted in some partitions, and whether `held` was said for them.
    package func wanted(in partitions: PartitionSet) -> [(channel: ChannelName, isConfirmed: Bool)] {
        entries.filter { $0.value.isWanted && partitions.contains($0.key) }.map { ($0.key, $0.value.isConfirmed) }
    }

    /// The channels of some partitions to which Redis has subscribed the node, or is about to.
    package func subscriptions(in partitions: PartitionSet) -> [ChannelName] {
        entries.compactMap { channel, entry in
            switch entry.state {
            case .opening, .active, .lingering: partitions.contains(channel) ? channel : nil
            case .queued, .closing, .refused: nil
            }
        }
    }

    /// A channel that another server had until now.
    package mutating func adopt(_ channel: ChannelName, isConfirmed: Bool) {
        guard entries[channel] == nil else { return }
        entries[channel] = Entry(state: .queued, isWanted: true, isConfirmed: isConfirmed)
        enqueue(channel)
    }
}
