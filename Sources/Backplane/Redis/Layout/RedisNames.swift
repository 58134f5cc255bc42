import Codec

/// The keys and channels of a cluster in Redis, all under its prefix.
///
/// What is about one channel is in its partition (`PartitionNames`). What is about a node or the cluster is one key or channel
/// that no script touches together with another: it needs no tag, and is the same in all layouts.
final class RedisNames: Sendable {
    let layout: RedisLayout
    /// Whether everything has a tag, because each server of a cluster has some slots only.
    let isCluster: Bool
    /// In front of everything.
    let prefix: [UInt8]
    let beat: [UInt8]
    /// Which layout the cluster has.
    let stored: [UInt8]
    /// Among which servers the channels are divided, where there are several.
    let shards: [UInt8]
    /// Tokens that are revoked.
    let revocations: [UInt8]
    /// What is meant for this node alone.
    let own: [UInt8]
    let partitions: [PartitionNames]
    /// `node:` and this node's id.
    private let nodeText: [UInt8]
    /// In front of a partition's tag; nothing in a layout without.
    private let tagStart: [UInt8]

    init(prefix: String, node: NodeID, layout: RedisLayout, isCluster: Bool = false) {
        self.layout = layout
        self.isCluster = isCluster
        nodeText = Array("node:\(node)".utf8)
        let start = Array("\(prefix):".utf8)
        self.prefix = start
        beat = start + Array("beat".utf8)
        stored = start + Array("layout".utf8)
        shards = start + Array("shards".utf8)
        own = start + Array("node:\(node)".utf8)
        switch layout {
        case .flat:
            tagStart = []
            partitions = [PartitionNames(start)]
        case .partitioned:
            tagStart = start + [UInt8(ascii: "{")]
            partitions = RedisPartition.tags.map { PartitionNames(start + Array("{\($0)}:".utf8)) }
        }
        revocations = (isCluster ? partitions[0].prefix : start) + Array("revocations".utf8)
    }

    /// A key of a part of an outbox. It has a tag in every layout: it is about no channel, so nothing that a layout says is about it.
    func outbox(_ kind: String, _ part: OutboxPart) -> [UInt8] {
        let tag = RedisPartition.tags[RedisNames.partition(of: part)]
        return prefix + Array("{\(tag)}:w\(kind):\(part.receiver):\(part.number)".utf8)
    }

    /// The record of a session: about no channel, and one of a great many. It has the tag of a partition in every layout, as the marks have.
    func record(of session: SessionID.Secret) -> (partition: Int, key: [UInt8]) {
        let partition = Int(session.low % UInt64(RedisPartition.count))  // trap-ok: below the number of partitions
        return (partition, prefix + tag(partition) + Array("s:".utf8) + session.text)
    }

    /// The mark that something was sent that no history has. A connection has other ids after it went to another node; its mark has
    /// the part that stays.
    func mark(of channel: ChannelName) -> (partition: Int, key: [UInt8]) {
        var name = channel
        if let id = SessionID(connectionChannel: channel) {
            name = .connection(SessionID(node: NodeID(0), locator: 0, secret: id.secret))
        }
        let partition = RedisPartition.of(name)
        return (partition, prefix + tag(partition) + Array("k:".utf8) + name.bytes)
    }

    private func tag(_ partition: Int) -> [UInt8] { Array("{\(RedisPartition.tags[partition])}:".utf8) }

    /// Parts are spread over the partitions, and so over the servers.
    static func partition(of part: OutboxPart) -> Int {
        let stride = RedisPartition.count / OutboxPart.parts
        return max(0, min(part.number, OutboxPart.parts - 1)) * stride
    }

    /// A node's lease; in a cluster it is in the node's partition.
    func lease(of node: NodeID) -> [UInt8] { start(of: Self.partition(of: node)) + Array("lease:\(node)".utf8) }
    /// What is meant for one node alone. In a cluster each node listens for it in every partition, so that it is reached through any
    /// server.
    func directed(_ node: NodeID, in partition: Int) -> [UInt8] { start(of: partition) + Array("node:\(node)".utf8) }
    func own(in partition: Int) -> [UInt8] { start(of: partition) + nodeText }
    func beat(in partition: Int) -> [UInt8] { start(of: partition) + Array("beat".utf8) }

    /// The partition that has a node's lease.
    static func partition(of node: NodeID) -> Int {
        Int(truncatingIfNeeded: node.value % UInt64(RedisPartition.count))
    }

    private func start(of partition: Int) -> [UInt8] { isCluster ? partitions[partition].prefix : prefix }

    /// Whether a pub/sub channel is for this node alone.
    func isOwn(_ pubsub: UnsafeRawBufferPointer) -> Bool {
        isCluster ? isTagged(pubsub, nodeText) : pubsub.elementsEqual(own)
    }

    func isBeat(_ pubsub: UnsafeRawBufferPointer) -> Bool {
        isCluster ? isTagged(pubsub, Array("beat".utf8)) : pubsub.elementsEqual(beat)
    }

    /// The partition of a pub/sub channel, by its tag; nil where it has none.
    func partition(ofPubsub pubsub: UnsafeRawBufferPointer) -> Int? {
        guard !tagStart.isEmpty, Self.begins(pubsub, with: tagStart) else { return nil }
        let tag = pubsub[tagStart.count...].prefix { $0 != UInt8(ascii: "}") }
        return tag.count <= 8 ? Self.partitionsByTag[Array(tag)] : nil
    }

    private static let partitionsByTag = Dictionary(
        RedisPartition.tags.enumerated().map { (Array($0.element.utf8), $0.offset) },
        uniquingKeysWith: { first, _ in first })

    private func isTagged(_ pubsub: UnsafeRawBufferPointer, _ rest: [UInt8]) -> Bool {
        guard Self.begins(pubsub, with: tagStart), pubsub.count > tagStart.count + rest.count + 2 else { return false }
        let end = pubsub.count - rest.count
        return pubsub[end - 1] == UInt8(ascii: ":") && pubsub[end - 2] == UInt8(ascii: "}")
            && !pubsub[tagStart.count..<end - 2].contains(UInt8(ascii: "}"))
            && UnsafeRawBufferPointer(rebasing: pubsub[end...]).elementsEqual(rest)
    }

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
    let prefix: [UInt8]
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

    /// The groups that a user was added to.
    func userGroups(_ user: UserGroups) -> [UInt8] {
        prefix + Array("g:\(user.hub):".utf8) + Array(user.user.utf8)
    }

    /// A key of occupancy: `o`, `oc`, `on`, `or`, `om` or `os`, and the node it is about.
    func occupancy(_ kind: String, _ node: [UInt8] = []) -> [UInt8] { presence(kind, node) }

    func members(_ channel: [UInt8], of node: NodeID) -> [UInt8] { presence("p", channel + Array(":\(node)".utf8)) }

    /// No channel has an empty name, so these are no channel's members.
    func presenceMark(of node: NodeID) -> [UInt8] { members([], of: node) }
}
