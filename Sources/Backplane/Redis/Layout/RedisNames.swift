import Codec

/// The keys and channels of a cluster in Redis, all under its prefix.
///
/// What is about one channel is in its partition (`PartitionNames`). What is about a node or the cluster is one key or channel
/// that no script touches together with another: it needs no tag, and is the same in all layouts.
final class RedisNames: Sendable {
    let layout: RedisLayout
    /// In front of everything.
    let prefix: [UInt8]
    let beat: [UInt8]
    let lease: [UInt8]
    /// Which layout the cluster has.
    let stored: [UInt8]
    /// Tokens that are revoked.
    let revocations: [UInt8]
    /// What is meant for this node alone.
    let own: [UInt8]
    let partitions: [PartitionNames]
    /// In front of a partition's tag; nothing in a layout without.
    private let tagStart: [UInt8]

    init(prefix: String, node: NodeID, layout: RedisLayout) {
        self.layout = layout
        let start = Array("\(prefix):".utf8)
        self.prefix = start
        beat = start + Array("beat".utf8)
        lease = start + Array("lease:\(node)".utf8)
        stored = start + Array("layout".utf8)
        revocations = start + Array("revocations".utf8)
        own = start + Array("node:\(node)".utf8)
        switch layout {
        case .flat:
            tagStart = []
            partitions = [PartitionNames(start)]
        case .partitioned:
            tagStart = start + [UInt8(ascii: "{")]
            partitions = RedisPartition.tags.map { PartitionNames(start + Array("{\($0)}:".utf8)) }
        }
    }

    /// A key of a part of an outbox. It has a tag in every layout: it is about no channel, so nothing that a layout says is about it.
    func outbox(_ kind: String, _ part: OutboxPart) -> [UInt8] {
        let tag = RedisPartition.tags[RedisNames.partition(of: part)]
        return prefix + Array("{\(tag)}:w\(kind):\(part.receiver):\(part.number)".utf8)
    }

    /// Parts are spread over the partitions, and so over the servers.
    static func partition(of part: OutboxPart) -> Int {
        let stride = RedisPartition.count / OutboxPart.parts
        return max(0, min(part.number, OutboxPart.parts - 1)) * stride
    }

    func lease(of node: NodeID) -> [UInt8] { prefix + Array("lease:\(node)".utf8) }
    func directed(_ node: NodeID) -> [UInt8] { prefix + Array("node:\(node)".utf8) }

    /// The number of a channel's partition.
    @inline(__always) func partition(of channel: ChannelName) -> Int {
        partitions.count == 1 ? 0 : RedisPartition.of(channel)
    }

    @inline(__always) subscript(channel: ChannelName) -> PartitionNames { partitions[partition(of: channel)] }

    func channel(_ name: ChannelName) -> [UInt8] { self[name].channel + name.bytes }

    /// The name of the channel that a pub/sub channel is for; nil when it is for none. No tag has a brace, so the first one ends
    /// it, whatever braces the name has.
    func name(in pubsub: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var start = prefix.count
        if !tagStart.isEmpty {
            guard Self.begins(pubsub, with: tagStart) else { return nil }
            var end = tagStart.count
            while end < pubsub.count, pubsub[end] != UInt8(ascii: "}") { end += 1 }
            guard pubsub.count > end + 1, pubsub[end + 1] == UInt8(ascii: ":") else { return nil }
            start = end + 2
        } else if !Self.begins(pubsub, with: prefix) {
            return nil
        }
        guard pubsub.count >= start + 2, pubsub[start] == UInt8(ascii: "c"), pubsub[start + 1] == UInt8(ascii: ":")
        else { return nil }
        return UnsafeRawBufferPointer(rebasing: pubsub[(start + 2)...])
    }

    @inline(__always)
    private static func begins(_ bytes: UnsafeRawBufferPointer, with start: [UInt8]) -> Bool {
        guard bytes.count >= start.count else { return false }
        for index in 0..<start.count where bytes[index] != start[index] { return false }
        return true
    }
}

/// The names of one partition. A class, because for each publication one is passed on.
final class PartitionNames: Sendable {
    /// With the partition's tag.
    private let prefix: [UInt8]
    /// In front of a channel's name.
    let channel: [UInt8]
    let meta: [UInt8]
    /// What channels without publications begin with; the name of no channel.
    let beginnings: [UInt8]
    let stream: [UInt8]
    let key: [UInt8]

    init(_ prefix: [UInt8]) {
        self.prefix = prefix
        channel = prefix + Array("c:".utf8)
        meta = prefix + Array("m:".utf8)
        beginnings = meta + Array("$beginnings".utf8)
        stream = prefix + Array("h:".utf8)
        key = prefix + Array("i:".utf8)
    }

    /// A key of presence: `p`, `pu`, `pl`, `pc`, `pn` or `pr`, and what it is about.
    func presence(_ kind: String, _ about: [UInt8] = []) -> [UInt8] {
        prefix + Array(kind.utf8) + (about.isEmpty ? [] : [UInt8(ascii: ":")] + about)
    }

    /// A key of occupancy: `o`, `oc`, `on`, `or`, `om` or `os`, and the node it is about.
    func occupancy(_ kind: String, _ node: [UInt8] = []) -> [UInt8] { presence(kind, node) }

    func members(_ channel: [UInt8], of node: NodeID) -> [UInt8] { presence("p", channel + Array(":\(node)".utf8)) }

    /// No channel has an empty name, so these are no channel's members.
    func presenceMark(of node: NodeID) -> [UInt8] { members([], of: node) }
}
