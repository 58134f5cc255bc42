import Codec
import Reactor

/// Whether Redis still has what this node told it: one mark for each partition in which it told anything.
extension RedisBackplane {
    /// Before somebody of a partition is told: what Redis loses from here on is noticed.
    func mark(_ partition: Int, _ names: PartitionNames, at server: RedisServer) {
        guard presence.marked.insert(partition).inserted else { return }
        set(names.presenceMark(of: node), RedisScript.presenceMarkLifetime, .marked, at: server)
    }

    /// Asks whether Redis still has what this node told it. Somebody may delete keys (`FLUSHDB`) while the link is up.
    func checkPresence() {
        for partition in presence.marked {
            guard partition < names.partitions.count else { continue }
            let server = topology.server(ofPartition: partition)
            guard server.state.takesCommands else { continue }
            touch(
                names.partitions[partition].presenceMark(of: node), RedisScript.presenceMarkLifetime, .checked,
                at: server)
        }
    }

    /// Redis has lost the node's marks: everybody is told again, as fast as it answers.
    func presenceLost() {
        guard status.isUp else { return }
        if let last = presence.lostAt, home.now - last < RedisPresence.lossPause { return }
        presence.lostAt = home.now
        if presence.here.count > 0 {
            receiver?.happened(
                .warning,
                "Redis at \(status.server ?? "an unknown place") lost the presence of this node (FLUSHDB, or its keys were evicted): \(things(presence.here.count, "entry is", "entries are")) written again"
            )
        }
        tellPresenceAnew(isLost: true)
    }

    // MARK: One key, of presence or of occupancy

    /// Sets a mark of this node. The lifetime is in milliseconds.
    func set(_ mark: [UInt8], _ lifetime: Int, _ reply: PresenceReply, at server: RedisServer) {
        server.send(.presence(reply)) {
            RESPWriter.command(
                [Array("SET".utf8), mark, [UInt8(ascii: "1")], Array("PX".utf8), Array("\(lifetime)".utf8)], to: $0)
        }
    }

    /// Lets a key live longer; the answer says whether it is there. The lifetime is in milliseconds.
    func touch(_ key: [UInt8], _ lifetime: Int, _ reply: PresenceReply, at server: RedisServer) {
        server.send(.presence(reply)) {
            RESPWriter.command([Array("PEXPIRE".utf8), key, Array("\(lifetime)".utf8)], to: $0)
        }
    }

    /// Deletes a key in every partition whose server takes commands.
    func deleteEverywhere(_ reply: PresenceReply, _ key: (PartitionNames) -> [UInt8]) {
        for (partition, names) in names.partitions.enumerated() {
            let server = topology.server(ofPartition: partition)
            guard server.state.takesCommands else { continue }
            server.send(.presence(reply)) { RESPWriter.command([Array("DEL".utf8), key(names)], to: $0) }
        }
    }
}
