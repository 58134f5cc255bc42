import Codec

/// Channels that are to be asked for, oldest first. With sharded pub/sub one command can name channels of one slot only, so there they
/// wait by partition, and each batch is of one. Pure.
struct InterestQueue {
    private var parts: [Fifo<ChannelName>]
    /// Where the next batch is looked for: no partition waits until all others are done.
    private var next = 0
    private(set) var count = 0
    private let isDivided: Bool

    init(isDivided: Bool) {
        self.isDivided = isDivided
        parts = Array(repeating: Fifo(), count: isDivided ? RedisPartition.count : 1)
    }

    mutating func append(_ channel: ChannelName) {
        parts[isDivided ? RedisPartition.of(channel) : 0].append(channel)
        count += 1
    }

    /// A part that has some; nil when none has.
    ///
    /// - Parameter blocked: Partitions of which nothing is asked for now.
    mutating func nextPart(without blocked: PartitionSet) -> Int? {
        guard count > 0 else { return nil }
        for offset in parts.indices {
            let part = (next + offset) % parts.count
            if parts[part].count > 0, blocked.isEmpty || !blocked.contains(part) {
                next = (part + 1) % parts.count
                return part
            }
        }
        return nil
    }

    mutating func take(from part: Int) -> ChannelName? {
        guard let channel = parts[part].next() else { return nil }
        count -= 1
        return channel
    }

    /// How many wait that can be asked for.
    func count(without blocked: PartitionSet) -> Int {
        blocked.isEmpty ? count : count - blocked.partitions.reduce(0) { $0 + parts[$1].count }
    }

    mutating func removeAll() { self = InterestQueue(isDivided: isDivided) }

    mutating func remove(_ partitions: PartitionSet) {
        guard isDivided else { return }
        for part in partitions.partitions {
            count -= parts[part].count
            parts[part] = Fifo()
        }
    }
}
