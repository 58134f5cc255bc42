import Codec
import Reactor

/// What is known of clearing away the channels of dead nodes.
struct OccupancyReaping {
    /// Parts that are under way.
    private(set) var parts = 0
    var lastSweep: MonotonicTime?
    /// Channels of dead nodes that were given up, and not yet told to the operator.
    var cleared: UInt64 = 0

    /// Channels of a dead node in one step.
    static let channels = 512
    /// Nodes that are looked at in one partition and step.
    static let nodes = 16

    mutating func began() { parts += 1 }
    mutating func ended() { parts = max(0, parts - 1) }
}

/// Clearing away what nodes left that are gone, as it is done with presence: the first node looks every second, the others now and
/// then, and whoever removes a channel's last mark says so.
extension RedisBackplane {
    func sweepOccupancyIfDue() {
        guard occupancy.reaping.parts == 0 else { return }
        if occupancy.reaping.cleared > 0 {
            receiver?.happened(
                .info, "occupancy: \(things(occupancy.reaping.cleared, "channel")) of dead nodes given up")
            status.occupancyReaped &+= occupancy.reaping.cleared
            occupancy.reaping.cleared = 0
        }
        if let last = occupancy.reaping.lastSweep, home.now - last < sweepInterval { return }
        occupancy.reaping.lastSweep = home.now
        for (partition, names) in names.partitions.enumerated() {
            askOccupancy(topology.server(ofPartition: partition), .listed(partition)) {
                RESPWriter.command([Array("SMEMBERS".utf8), names.occupancy("on")], to: $0)
            }
        }
    }

    private func askOccupancy(_ server: RedisServer, _ reply: OccupancyReply, _ write: (ByteWriter) -> Void) {
        guard server.state.takesCommands else { return }
        occupancy.reaping.began()
        server.send(.presence(.occupancy(reply)), write)
    }

    /// The nodes that have channels in a partition, as Redis says it. One that is heard is alive.
    func occupantsListed(_ partition: Int, _ value: RESPValue) {
        defer { occupancy.reaping.ended() }
        guard case .array(let found) = value else { return }
        let silent = found.lazy.compactMap { $0.text.flatMap { NodeID($0) } }
            .filter { $0 != self.node && !self.registry.contains($0) }
        for node in silent.prefix(OccupancyReaping.nodes) {
            askOccupancy(topology.server(of: node), .leased(node, partition)) {
                RESPWriter.command([Array("EXISTS".utf8), names.lease(of: node)], to: $0)
            }
        }
    }

    func occupantLeased(_ dead: NodeID, _ partition: Int, _ value: RESPValue) {
        defer { occupancy.reaping.ended() }
        if value == .integer(0) { clear(dead, partition) }
    }

    private func clear(_ dead: NodeID, _ partition: Int) {
        guard partition < names.partitions.count, !registry.contains(dead) else { return }
        let names = names.partitions[partition]
        let text = Array("\(dead)".utf8)
        occupancy.reaping.began()
        topology.server(ofPartition: partition).run(
            .clear, .occupancy(.cleared(dead, partition)),
            keys: [
                names.occupancy("o"), names.occupancy("oc", text), names.occupancy("on"), names.occupancy("or", text),
                names.occupancy("om", text), names.occupancy("os"),
            ],
            [RedisServer.bytes(dead.value), text, Array("\(OccupancyReaping.channels)".utf8)])
    }

    /// How many channels there were, the number of the change, and those that have no subscribers any more: no more than was asked for, and nothing that is
    /// no channel of this partition.
    func occupantCleared(_ dead: NodeID, _ partition: Int, _ value: RESPValue) {
        defer { occupancy.reaping.ended() }
        guard case .array(let answer) = value, answer.count >= 2, case .integer(let found) = answer[0],
            case .integer(let order) = answer[1]
        else { return }
        for case .bulk(let bytes?) in answer.dropFirst(2).prefix(OccupancyReaping.channels) {
            guard let channel = try? ChannelName(validating: bytes), names.partition(of: channel) == partition else {
                status.badMessages &+= 1
                continue
            }
            occupancy.reaping.cleared &+= 1
            receiver?.occupancyChanged(of: channel, isOccupied: false, order: UInt64(clamping: order))
        }
        if found > 0 { clear(dead, partition) }
    }
}
