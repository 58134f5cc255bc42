import Codec

/// What a part said last about channels, so that occupied and vacated alternate whatever comes in twice, late or in the wrong order.
/// Pure; the script `outboxAppend` does the same in Redis.
///
/// A change has a number (`order`) that grows with each change of a channel anywhere. One that is not newer than the last is ignored.
struct OccupancyMemo {
    private struct Known {
        /// Of the last change.
        var order: UInt64
        /// As it was said last.
        var isOccupied: Bool
        /// What is said when the grace is over; nil when nothing is.
        var held: [UInt8]?
        /// When it is, in milliseconds: or when a vacated channel is forgotten.
        var due: UInt64?
    }

    private var channels: [ChannelName: Known] = [:]

    /// How long a vacated channel is remembered, in milliseconds: a change that comes later than that is taken for a new one.
    static let memory: UInt64 = 60_000

    /// - Parameter append: Appends the event; false when there is no room, and then it was not said.
    mutating func occupied(_ channel: ChannelName, order: UInt64, now: UInt64, append: () -> Bool) {
        var known = channels[channel] ?? Known(order: 0, isOccupied: false)
        guard order > known.order else { return }
        known.order = order
        // A vacancy that was held back did not happen.
        if known.held == nil, !known.isOccupied { known.isOccupied = append() }
        known.held = nil
        known.due = known.isOccupied ? nil : now &+ Self.memory
        channels[channel] = known
    }

    mutating func vacated(_ channel: ChannelName, order: UInt64, body: [UInt8], now: UInt64, grace: UInt64) {
        var known = channels[channel] ?? Known(order: 0, isOccupied: false)
        guard order > known.order else { return }
        known.order = order
        if known.isOccupied {
            known.held = body
            known.due = now &+ grace
        } else {
            known.due = now &+ Self.memory
        }
        channels[channel] = known
    }

    /// Says what is due, and forgets what was vacated long ago.
    ///
    /// - Parameter append: Appends an event; false when there is no room, and then it is tried again.
    mutating func expire(now: UInt64, append: ([UInt8]) -> Bool) {
        for (channel, known) in channels {
            guard let due = known.due, due <= now else { continue }
            guard let held = known.held else {
                channels[channel] = nil
                continue
            }
            guard append(held) else { continue }
            channels[channel] = Known(order: known.order, isOccupied: false, due: now &+ Self.memory)
        }
    }
}
