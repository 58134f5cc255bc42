package import Codec

/// The last position that was acknowledged in each channel lately. A publisher was told it, so when another server keeps the
/// history now, it has to be looked up there: perhaps nobody else ever heard of it.
package struct AcknowledgedPositions {
    /// Channels that are remembered at least; at most twice as many.
    package let maximum: Int
    /// Channels that were forgotten because there were more.
    package private(set) var forgotten: UInt64 = 0
    /// The server that acknowledged them; nil when it does not matter which it was, for they are to be looked up again.
    package var server: [UInt8]?
    private var newer: [ChannelName: Position] = [:]
    private var older: [ChannelName: Position] = [:]

    package init(maximum: Int = 16_384) { self.maximum = maximum }

    package mutating func note(_ position: Position, in channel: ChannelName) {
        if let known = newer[channel] {
            // A key that is used again is acknowledged with the position it had.
            if known.epoch == position.epoch, known.offset >= position.offset { return }
        } else if newer.count == maximum {
            for channel in older.keys where newer[channel] == nil { forgotten += 1 }
            older = newer
            newer = [:]
        }
        newer[channel] = position
    }

    /// Another server keeps the history from now on.
    ///
    /// - Returns: What is to be looked up there.
    package mutating func takeAll(for next: [UInt8]) -> [ChannelName: Position] {
        defer {
            server = next
            newer = [:]
            older = [:]
        }
        return older.merging(newer) { _, new in new }
    }

    /// Those of some partitions: another server has them from now on.
    package mutating func extract(_ partitions: PartitionSet) -> [ChannelName: Position] {
        let all = older.merging(newer) { _, new in new }.filter { partitions.contains($0.key) }
        for channel in all.keys {
            newer[channel] = nil
            older[channel] = nil
        }
        return all
    }
}
