import Codec
import Reactor

/// Joining one of several servers: all nodes have to divide the channels among the same ones, or they would not hear each other.
///
/// Each server stores the list that its nodes use, for as long as one of them is alive (`NodeRegistry.lease`). A node with another list
/// stays away until then, and says so.
extension RedisServer {
    private static var pause: Duration { .seconds(1) }

    func receivedDividedLayout(_ value: RESPValue) {
        if isInCluster { return receivedClusterLayout(value) }
        switch value {
        case .bulk(nil):
            send(.layoutStored(.partitioned)) {
                RESPWriter.command(
                    [Array("SET".utf8), names.stored, RedisLayout.partitioned.stored, Array("NX".utf8)], to: $0)
            }
        case .bulk(let text?) where RedisLayout(stored: text) == .partitioned: joinShards()
        case .bulk: otherLayout()
        case .error(let text) where text.hasPrefix("NOPERM"): joinShards()
        case .error(let text): commands.fail("Redis at \(addressText) is not ready: \(text)")
        default: commands.fail("Redis at \(addressText) sent an unexpected reply")
        }
    }

    private func otherLayout() {
        commands.fail(
            "Redis at \(addressText) has another layout of keys under the prefix '\(owner.prefix)', the one of version 0.2, and several servers need layout 2: choose another backplane.redis.prefix, or stop all nodes and set \(String(decoding: names.stored, as: UTF8.self)) to 2"
        )
    }

    /// Every key of a cluster has its tag. The layout is looked up only because the cluster may have the data of a single Redis, and only
    /// one server has the slot of that key.
    private func receivedClusterLayout(_ value: RESPValue) {
        switch value {
        case .bulk(let text?) where RedisLayout(stored: text) != .partitioned: otherLayout()
        case .error(let text) where text.contains("cluster support disabled"):
            commands.fail("Redis at \(addressText) is not part of a Redis Cluster: \(text)")
        default: commandsReady()
        }
    }

    /// Asks which servers the others use.
    func joinShards() { send(.shards) { RESPWriter.command([Array("GET".utf8), names.shards], to: $0) } }

    func receivedShards(_ value: RESPValue) {
        switch value {
        case .bulk(nil): storeShards(isFirst: true)
        case .bulk(owner.shardList?): commandsReady()
        case .bulk(let text?): othersUse(text)
        case .error(let text) where text.hasPrefix("NOPERM"):
            receiver?.happened(
                .warning,
                "Redis at \(addressText) does not let this node look up which servers the others use: \(text); give the Redis user the permissions of deploy/redis/carillon.acl"
            )
            commandsReady()
        case .error(let text): commands.fail("Redis at \(addressText) is not ready: \(text)")
        default: commands.fail("Redis at \(addressText) sent an unexpected reply")
        }
    }

    /// Says which servers this node uses, for as long as a node is remembered.
    func storeShards(isFirst: Bool) {
        guard let list = owner.shardList else { return }
        let lifetime = Array("\(NodeRegistry.lease.components.seconds * 1000)".utf8)
        send(isFirst ? .shardsStored : .lease) {
            RESPWriter.command(
                [Array("SET".utf8), names.shards, list, Array("PX".utf8), lifetime]
                    + (isFirst ? [Array("NX".utf8)] : []), to: $0)
        }
    }

    func shardsStored(_ value: RESPValue) {
        switch value {
        // Somebody else was faster.
        case .bulk(nil): joinShards()
        case .error(let text): commands.fail("Redis at \(addressText) does not store which servers are used: \(text)")
        default: commandsReady()
        }
    }

    private func othersUse(_ text: [UInt8]) {
        let theirs = text.split(separator: UInt8(ascii: "\n")).prefix(RedisConfiguration.maximumShards)
            .map { "\(ForeignText(String(decoding: $0.prefix(256), as: UTF8.self)))" }
        owner.failed(
            "the nodes that are linked through Redis at \(addressText) use other servers (\(theirs.joined(separator: ", "))) than backplane.redis.shards of this node (\(owner.shardNames.joined(separator: ", "))): give all nodes the same list. This node links when no node with the other list has been alive for \(NodeRegistry.lease.components.seconds) s",
            at: self)
        later(after: Self.pause) { [self] in joinShards() }
    }

    /// Two entries of the list may lead to one server: then each publication would be delivered twice.
    func isAnotherServer() -> Bool {
        guard owner.topology.isDivided, !isInCluster, let identity = scripts.run else { return true }
        let twin = owner.topology.servers.first {
            $0 !== self && $0.state.takesCommands && $0.scripts.run == identity
        }
        guard let twin else { return true }
        commands.fail(
            "Redis at \(addressText) and Redis at \(twin.addressText) are the same server: list each server once in backplane.redis.shards"
        )
        return false
    }
}
