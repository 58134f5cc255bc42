import Codec
import Reactor

/// What is known of clearing away what dead nodes left.
struct PresenceReaping {
    /// Parts that are being cleared away.
    private(set) var parts = 0
    /// When dead nodes were looked for last, and how often since the last tick.
    var lastSweep: MonotonicTime?
    var sweeps = 0
    /// Members of dead nodes that were announced as gone, and not yet told to the operator.
    var reaped: UInt64 = 0

    /// Channels that may still be asked for in this sweep, and whether any were found.
    var room = 0
    var hasFound = false

    /// How often the nodes look for dead ones: the first of them, and the others.
    static let interval: (first: Duration, others: Duration) = (.seconds(1), .seconds(10))
    /// Of a dead node, in one step: channels, and members of one channel.
    static let channels = 64
    static let members = 512
    /// Nodes that are looked at in one partition and step.
    static let nodes = 16
    /// Channels in one sweep: what of them is under way, other commands wait for.
    static let channelsOfOneSweep = 1024
    /// Steps in a row before the next tick, for an answer that never ends must not be asked for without end.
    static let maximumSweeps = 256

    mutating func began() { parts += 1 }
    mutating func ended() { parts = max(0, parts - 1) }
}

extension RedisBackplane {
    /// Once a second.
    func sweepIfDue() {
        presence.reaping.sweeps = 0
        if presence.reaping.parts == 0, isSweepDue { sweep() }
    }

    /// Whose turn it is follows from who is there now: when the first one has died, the next is to begin at once.
    private var isSweepDue: Bool {
        presence.reaping.lastSweep.map { home.now - $0 >= sweepInterval } ?? true
    }

    /// How often this node looks for dead ones.
    var sweepInterval: Duration {
        let isFirst = registry.ids.allSatisfy { $0.value >= node.value }
        // It is called once a second, which is never quite a second.
        return (isFirst ? PresenceReaping.interval.first : PresenceReaping.interval.others) - .milliseconds(100)
    }

    private func sweep() {
        presence.reaping.lastSweep = home.now
        presence.reaping.sweeps += 1
        presence.reaping.room = PresenceReaping.channelsOfOneSweep
        presence.reaping.hasFound = false
        for (partition, names) in names.partitions.enumerated() {
            ask(topology.server(ofPartition: partition), .listed(partition)) {
                RESPWriter.command([Array("SMEMBERS".utf8), names.presence("pn")], to: $0)
            }
        }
    }

    /// Asks something whose answer is a part of clearing away.
    private func ask(_ server: RedisServer, _ reply: PresenceReply, _ write: (ByteWriter) -> Void) {
        guard server.state.takesCommands else { return }
        presence.reaping.began()
        server.send(.presence(reply), write)
    }

    /// The nodes that have members in a partition, as Redis says it. One that is heard is alive, whatever became of its lease; one
    /// that is not may have been isolated, or be about to leave in its own time: then it has a lease.
    func listed(_ partition: Int, _ value: RESPValue) {
        defer { partEnded() }
        guard case .array(let found) = value else { return }
        let silent = found.lazy.compactMap { $0.text.flatMap { NodeID($0) } }
            .filter { $0 != self.node && !self.registry.contains($0) }
        for node in silent.prefix(PresenceReaping.nodes) {
            ask(topology.server(of: node), .leased(node, partition)) {
                RESPWriter.command([Array("EXISTS".utf8), names.lease(of: node)], to: $0)
            }
        }
    }

    func leased(_ dead: NodeID, _ partition: Int, _ value: RESPValue) {
        defer { partEnded() }
        let asked = min(PresenceReaping.channels, presence.reaping.room)
        guard value == .integer(0), asked > 0, partition < names.partitions.count else { return }
        presence.reaping.room -= asked
        let names = names.partitions[partition]
        let text = Array("\(dead)".utf8)
        presence.reaping.began()
        topology.server(ofPartition: partition).run(
            .stale, .stale(dead, partition), keys: [names.presence("pn"), names.presence("pc", text)],
            [text, Array("\(asked)".utf8)])
    }

    /// Some channels in which a dead node has members: no more than was asked for, and nothing that is no channel of this partition.
    func reap(_ dead: NodeID, _ partition: Int, _ value: RESPValue) {
        defer { partEnded() }
        guard case .array(let channels) = value, !registry.contains(dead) else { return }
        for case .bulk(let bytes?) in channels.prefix(PresenceReaping.channels) {
            guard let channel = try? ChannelName(validating: bytes), names.partition(of: channel) == partition else {
                status.badMessages &+= 1
                continue
            }
            presence.reaping.hasFound = true
            reap(dead, channel)
        }
    }

    private func reap(_ dead: NodeID, _ channel: ChannelName) {
        let settings = receiver?.presenceSettings(of: channel)
        let head = announcement(.leave, isWanted: settings?.announces ?? false)
        presence.reaping.began()
        let names = names[channel]
        topology.server(for: channel).run(
            .reap, .reaped(channel),
            keys: [
                names.members(channel.bytes, of: dead), names.presence("pu", channel.bytes),
                names.presence("pl", channel.bytes), names.presence("pc", Array("\(dead)".utf8)),
                names.presence("pr", Array("\(dead)".utf8)), names.presenceMark(of: dead),
            ],
            [
                RedisServer.bytes(dead.value), channel.bytes, names.channel + channel.bytes, head,
                Array("\(PresenceReaping.members)".utf8), Self.flag(receiver?.followsMembers ?? false),
                Self.flag(settings?.isPerSession ?? false),
            ])
    }

    func reaped(_ value: RESPValue, _ channel: ChannelName) {
        switch value {
        case .integer(let gone): presence.reaping.reaped &+= UInt64(clamping: gone)
        case .array(let gone):
            for case .bulk(let packed?) in gone.prefix(PresenceReaping.members) {
                presence.reaping.reaped &+= 1
                guard let member = packed.withUnsafeBytes({ PresenceMember(packed: $0) }) else { continue }
                receiver?.memberChanged(.leave, member, in: channel)
            }
        default: break
        }
        partEnded()
    }

    /// When all parts are done it begins again, until nothing is found.
    private func partEnded() {
        presence.reaping.ended()
        guard presence.reaping.parts == 0 else { return }
        if presence.reaping.hasFound {
            presence.reaping.hasFound = false
            if presence.reaping.sweeps < PresenceReaping.maximumSweeps { sweep() }
        } else if presence.reaping.reaped > 0 {
            receiver?.happened(
                .info,
                "presence: \(things(presence.reaping.reaped, "member")) of dead nodes removed")
            status.presenceReaped &+= presence.reaping.reaped
            presence.reaping.reaped = 0
        }
    }
}
