package import Codec

/// The parts into which channels are divided. All keys and the pub/sub channel of one partition carry its hash tag, so they are
/// in one slot of a Redis Cluster, and a partition is what moves from one server to another.
///
/// Partitions and not channels carry a tag, because some keys are about many channels of a node, and a script may touch keys of
/// one slot only (docs/decisions/0017-partitions.md).
package enum RedisPartition {
    package static let count = 128
    private static let slotsOfOne = RedisSlot.count / count

    /// Where a channel is. The partition of a name has the slots around that of the name.
    @inline(__always) package static func of(_ channel: ChannelName) -> Int {
        channel.bytes.withUnsafeBytes { Int(RedisSlot.checksum($0)) % RedisSlot.count / slotsOfOne }
    }

    /// What is between the braces: the smallest number whose slot is one of the partition's. So partitions are spread evenly over
    /// the slots, and each server of a cluster whose slots are divided evenly has equally many of them.
    package static let tags: [String] = {
        var tags: [String?] = Array(repeating: nil, count: count)
        var missing = count
        var number = 0
        while missing > 0 {
            let tag = "\(number)"
            let partition = RedisSlot.of(Array(tag.utf8)) / slotsOfOne
            if tags[partition] == nil {
                tags[partition] = tag
                missing -= 1
            }
            number += 1
        }
        return tags.compactMap { $0 }
    }()
}
