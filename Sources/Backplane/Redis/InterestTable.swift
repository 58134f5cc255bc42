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
    }

    private struct Entry {
        var state: State
        var isWanted: Bool
        /// Whether `held` was said for it; a reconnect does not say it again.
        var isHeld = false
    }

    /// Channels in one SUBSCRIBE.
    package static let batch = 512
    /// SUBSCRIBE commands under way at the most: their replies count against the output limit Redis has for us.
    package static let batchesInFlight = 4
    /// How long a channel stays subscribed after nobody wants it.
    package static let linger: Duration = .seconds(1)

    private var entries: [ChannelName: Entry] = [:]
    private var queue: [ChannelName] = []
    private var queueStart = 0
    private var lingering: [(channel: ChannelName, until: MonotonicTime)] = []
    /// Channels asked for and not confirmed.
    package private(set) var unconfirmed = 0
    private var isLinked = false

    package init() {}

    /// Channels that are wanted or not given up yet.
    package var count: Int { entries.count }
    package var isLingering: Bool { !lingering.isEmpty }
    /// Whether everything wanted is confirmed.
    package var isComplete: Bool { unconfirmed == 0 && queueStart == queue.count }

    /// A channel is wanted.
    ///
    /// - Returns: Whether it is confirmed already.
    package mutating func hold(_ channel: ChannelName) -> Bool {
        guard var entry = entries[channel] else {
            entries[channel] = Entry(state: .queued, isWanted: true)
            enqueue(channel)
            return false
        }
        entry.isWanted = true
        var isConfirmed = false
        switch entry.state {
        case .active, .lingering:
            entry.state = .active
            isConfirmed = true
        case .queued, .opening, .closing:
            // Confirmed, or asked for anew, when the answer under way has come.
            entry.isHeld = false
        }
        if isConfirmed { entry.isHeld = true }
        entries[channel] = entry
        return isConfirmed
    }

    /// A channel is not wanted any more.
    package mutating func release(_ channel: ChannelName, now: MonotonicTime) {
        guard entries[channel] != nil else { return }
        entries[channel]!.isWanted = false
        entries[channel]!.isHeld = false
        switch entries[channel]!.state {
        case .queued: entries[channel] = nil
        case .active:
            let until = now + Self.linger
            entries[channel]!.state = .lingering(until)
            lingering.append((channel, until))
        case .opening, .lingering, .closing: break
        }
    }

    private mutating func enqueue(_ channel: ChannelName) { queue.append(channel) }

    /// What is to be asked for now: at most a batch, nothing while enough is under way.
    package mutating func nextBatch() -> [ChannelName] {
        guard isLinked, unconfirmed <= Self.batch * (Self.batchesInFlight - 1) else { return [] }
        var batch: [ChannelName] = []
        while queueStart < queue.count, batch.count < Self.batch {
            let channel = queue[queueStart]
            queueStart += 1
            guard entries[channel]?.state == .queued else { continue }
            entries[channel]!.state = .opening
            batch.append(channel)
        }
        if queueStart == queue.count {
            queue.removeAll(keepingCapacity: queue.count <= 1024)
            queueStart = 0
        }
        unconfirmed += batch.count
        return batch
    }

    /// Redis has confirmed a SUBSCRIBE.
    ///
    /// - Returns: Whether `held` is to be said.
    package mutating func subscribed(_ channel: ChannelName, now: MonotonicTime) -> Bool {
        guard entries[channel]?.state == .opening else { return false }
        unconfirmed -= 1
        entries[channel]!.state = .active
        guard entries[channel]!.isWanted else {
            release(channel, now: now)
            return false
        }
        defer { entries[channel]!.isHeld = true }
        return !entries[channel]!.isHeld
    }

    /// What nobody has wanted for the length of the linger and is to be unsubscribed now.
    package mutating func expired(now: MonotonicTime) -> [ChannelName] {
        var gone: [ChannelName] = []
        var kept: [(ChannelName, MonotonicTime)] = []
        for (channel, until) in lingering {
            // Only the last release counts: in between it may have been wanted again.
            guard entries[channel]?.state == .lingering(until) else { continue }
            if until <= now {
                entries[channel]!.state = .closing
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
            entries[channel]!.state = .queued
            enqueue(channel)
        } else {
            entries[channel] = nil
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
        queue = []
        queueStart = 0
        for (channel, entry) in entries {
            if entry.isWanted {
                entries[channel]!.state = .queued
                queue.append(channel)
            } else {
                entries[channel] = nil
            }
        }
    }
}
