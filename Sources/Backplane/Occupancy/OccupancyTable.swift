package import Codec
package import Reactor

/// Which channels have subscribers on this node, and what of that the others know: a mark for each channel, which is set and
/// removed. Pure: it is told what happens and what time it is, and says what to do next.
///
/// What is wanted is kept apart from what was told, so that a channel may come and go while an answer is under way. A channel
/// whose last subscriber has gone keeps its mark for a moment, in case somebody comes back.
package struct OccupancyTable {
    /// What the medium is to do.
    package enum Step: Equatable, Sendable {
        case mark(ChannelName, Certainty)
        case unmark(ChannelName, Certainty)
    }

    /// What is known of an earlier try.
    package enum Certainty: String, Sendable {
        /// There was none.
        case new
        /// It was answered, and the medium may have lost the mark since: this is no news.
        case again
        /// It was not answered, so nobody was told what it brought.
        case unsure
    }

    private struct Entry {
        var isWanted = true
        /// The medium has the mark, as far as is known.
        var isMarked = false
        var isAwaited = false
        /// The last command was not answered.
        var isUnsure = false
        /// The medium may have lost the mark.
        var isToBeRepeated = false
        var isQueued = false
        /// It cannot be told now.
        var isParked = false
        /// Nobody wants it, and the mark stays until then.
        var lingersUntil: MonotonicTime?

        var needsStep: Bool {
            !isAwaited && !isParked && lingersUntil == nil
                && (isWanted != isMarked || isUnsure || isWanted && isToBeRepeated)
        }
    }

    private var entries: [ChannelName: Entry] = [:]
    private var queue = Fifo<ChannelName>()
    private var lingering = Fifo<(channel: ChannelName, until: MonotonicTime)>()
    /// Answers that are awaited.
    package private(set) var awaited = 0

    /// How long a channel without subscribers stays occupied.
    package static let linger: Duration = .seconds(1)
    /// Told and not answered at the most.
    package static let window = 256

    package init() {}

    package var count: Int { entries.count }
    package var isLingering: Bool { lingering.count > 0 }
    /// Nothing is to be told, and no answer is awaited.
    package var isSettled: Bool { awaited == 0 && queue.count == 0 }

    // MARK: What happens here

    /// A channel has subscribers on this node.
    package mutating func occupied(_ channel: ChannelName) {
        var entry = entries[channel] ?? Entry()
        entry.isWanted = true
        entry.lingersUntil = nil
        enqueue(channel, entry)
    }

    /// It has none any more.
    package mutating func vacated(_ channel: ChannelName, now: MonotonicTime) {
        guard var entry = entries[channel], entry.isWanted else { return }
        entry.isWanted = false
        // Of one that nobody heard of, nobody has to hear that it is over.
        guard entry.isMarked || entry.isAwaited || entry.isUnsure else {
            entries[channel] = nil
            entries.giveBack()
            return
        }
        let until = now + Self.linger
        entry.lingersUntil = until
        entries[channel] = entry
        lingering.append((channel, until))
    }

    /// Time has passed.
    package mutating func expire(now: MonotonicTime) {
        while let first = lingering.first, first.until <= now {
            _ = lingering.next()
            // Only the last time counts: in between somebody may have come back.
            guard var entry = entries[first.channel], entry.lingersUntil == first.until else { continue }
            entry.lingersUntil = nil
            enqueue(first.channel, entry)
        }
    }

    /// Everything is told again: the medium may have forgotten it. And what could not be told meanwhile is told now.
    package mutating func repeatAll() {
        for (channel, entry) in entries where entry.isMarked || entry.isParked {
            var entry = entry
            entry.isToBeRepeated = entry.isMarked
            entry.isParked = false
            enqueue(channel, entry)
        }
    }

    /// A step was not taken, for the part of the medium that the channel belongs to is away. It waits for `repeatAll`.
    package mutating func parked(_ step: Step) {
        guard var entry = entries[step.channel], entry.isAwaited else { return }
        awaited -= 1
        entry.isAwaited = false
        entry.isParked = true
        entries[step.channel] = entry
    }

    private mutating func enqueue(_ channel: ChannelName, _ changed: Entry) {
        var entry = changed
        if entry.needsStep, !entry.isQueued {
            entry.isQueued = true
            queue.append(channel)
        }
        entries[channel] = entry
    }

    // MARK: Telling

    /// What is to be told next; nil when there is nothing, or enough is under way.
    package mutating func next() -> Step? {
        while awaited < Self.window, let channel = queue.next() {
            guard var entry = entries[channel] else { continue }
            entry.isQueued = false
            guard entry.needsStep else {
                entries[channel] = entry
                continue
            }
            entry.isAwaited = true
            awaited += 1
            entries[channel] = entry
            let certainty: Certainty = entry.isUnsure ? .unsure : .new
            guard entry.isWanted else { return .unmark(channel, certainty) }
            return .mark(channel, entry.isMarked && !entry.isUnsure ? .again : certainty)
        }
        return nil
    }

    /// The medium has done it.
    package mutating func answered(_ step: Step) {
        let channel = step.channel
        guard var entry = entries[channel], entry.isAwaited else { return }
        awaited -= 1
        entry.isAwaited = false
        entry.isUnsure = false
        switch step {
        case .mark:
            entry.isMarked = true
            entry.isToBeRepeated = false
        case .unmark:
            entry.isMarked = false
            guard entry.isWanted else {
                entries[channel] = nil
                entries.giveBack()
                return
            }
        }
        enqueue(channel, entry)
    }

    /// Nobody knows whether the medium has done it; it is tried again.
    package mutating func unanswered(_ step: Step) {
        let channel = step.channel
        guard var entry = entries[channel], entry.isAwaited else { return }
        awaited -= 1
        entry.isAwaited = false
        switch step {
        case .mark(_, .again): entry.isToBeRepeated = true
        case .mark, .unmark: entry.isUnsure = true
        }
        enqueue(channel, entry)
    }
}

extension OccupancyTable.Step {
    package var channel: ChannelName {
        switch self {
        case .mark(let channel, _), .unmark(let channel, _): channel
        }
    }
}
