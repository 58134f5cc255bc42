import Codec
import Reactor

/// Joining one of several servers: all nodes have to divide the channels among the same ones, or they would not hear each other.
///
/// Each server stores the plan that the nodes follow (`ShardPlan`). A node that does not know all servers of the plan stays away, and says so.
extension RedisServer {
    private static var pause: Duration { .seconds(1) }
    private static var firstPause: Duration { .milliseconds(100) }

    func receivedDividedLayout(_ value: RESPValue) {
        if isInCluster { return receivedClusterLayout(value) }
        guard !scripts.isCluster else {
            return commands.fail(
                "Redis at \(addressText) is part of a Redis Cluster, and backplane.redis.shards is for servers that know nothing of each other: use backplane.redis.cluster"
            )
        }
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

    /// Asks which servers the nodes use; before this one is used, and every second.
    func joinShards() { send(.shards) { RESPWriter.command([Array("GET".utf8), names.shards], to: $0) } }

    func receivedShards(_ value: RESPValue) {
        guard let mover = owner.mover else { return }
        switch value {
        case .bulk(let stored):
            if mover.found(stored, at: self) { return commandsReady() }
            later(after: mover.change == nil && stored == nil ? Self.firstPause : Self.pause) { [self] in joinShards() }
        case .error(let text) where text.hasPrefix("NOPERM"):
            commands.fail(
                "Redis at \(addressText) does not let this node look up which servers the others use: \(text); give the Redis user the permissions of deploy/redis/carillon.acl"
            )
        case .error(let text): commands.fail("Redis at \(addressText) is not ready: \(text)")
        default: commands.fail("Redis at \(addressText) sent an unexpected reply")
        }
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
