package import Codec

/// Some of the partitions into which channels are divided (`RedisPartition`): one bit each.
///
/// Which channels a node is linked for is such a set: with one server all or none, with several those of the servers that work.
package struct PartitionSet: Equatable, Sendable {
    private var low: UInt64
    private var high: UInt64

    private init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    package static let none = PartitionSet(low: 0, high: 0)
    package static let all = PartitionSet(low: .max, high: .max)

    package init(_ partitions: some Sequence<Int>) {
        self = .none
        for partition in partitions { insert(partition) }
    }

    @inline(__always) package var isEmpty: Bool { low | high == 0 }
    @inline(__always) package var isAll: Bool { low & high == .max }
    package var count: Int { low.nonzeroBitCount + high.nonzeroBitCount }

    /// - Parameter partition: 0 to 127; nothing else is ever in a set.
    @inline(__always)
    package func contains(_ partition: Int) -> Bool {
        guard (0..<RedisPartition.count).contains(partition) else { return false }
        let bit: UInt64 = 1 << UInt64(truncatingIfNeeded: partition & 63)
        return (partition < 64 ? low : high) & bit != 0
    }

    /// Whether a channel is in one of them. The name is looked at only where the answer depends on it.
    @inline(__always)
    package func contains(_ channel: ChannelName) -> Bool {
        isAll || !isEmpty && contains(RedisPartition.of(channel))
    }

    package mutating func insert(_ partition: Int) {
        guard (0..<RedisPartition.count).contains(partition) else { return }
        let bit: UInt64 = 1 << UInt64(truncatingIfNeeded: partition & 63)
        if partition < 64 { low |= bit } else { high |= bit }
    }

    package mutating func remove(_ partition: Int) { subtract(PartitionSet(CollectionOfOne(partition))) }

    package mutating func formUnion(_ other: PartitionSet) {
        low |= other.low
        high |= other.high
    }

    package mutating func subtract(_ other: PartitionSet) {
        low &= ~other.low
        high &= ~other.high
    }

    package func subtracting(_ other: PartitionSet) -> PartitionSet {
        var rest = self
        rest.subtract(other)
        return rest
    }

    /// In rising order.
    package var partitions: [Int] { (0..<RedisPartition.count).filter { contains($0) } }

    /// As it is stored: 32 hexadecimal digits, the highest partition first.
    package var digits: String {
        [high, low].map { word in
            let text = String(word, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }.joined()
    }

    package init?(digits: String) {
        guard digits.utf8.count == 32, digits.utf8.allSatisfy({ Self.isDigit($0) }),
            // trap-ok: reads text, and fails with nil
            let high = UInt64(digits.prefix(16), radix: 16), let low = UInt64(digits.suffix(16), radix: 16)
        else { return nil }
        self.init(low: low, high: high)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}
