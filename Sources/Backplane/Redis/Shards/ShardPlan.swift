package import Codec

/// Which of several servers each partition lives on, as all nodes have it, and how far a change of the servers has come. Pure.
///
/// It is stored on each server (`PREFIX:shards`). Each change makes a new plan with a greater generation, so of two plans everybody knows
/// which one counts. Who has which partition follows from a plan alone.
package struct ShardPlan: Equatable, Sendable {
    /// What nodes do with the partitions that are on their way.
    package enum Phase: String, Sendable {
        /// They do not publish there any more, and subscribe at the next server as well.
        case stop
        /// They wait until everything has arrived that was published at the old one, while what it keeps is copied.
        case copy
    }

    /// What tells the plans of one cluster from those of others: made of the first list of servers. None of one counts for another.
    package let origin: UInt64
    package private(set) var generation: UInt64
    /// The node that made it; none made the first one, which all make alike. What one node does under its plan, no other one does under a
    /// plan that looks the same.
    package private(set) var maker = NodeID(0)
    /// The names of the servers among which the partitions are divided, in their order.
    package private(set) var from: [[UInt8]]
    /// Those among which they are to be divided; empty when that is settled.
    package private(set) var to: [[UInt8]] = []
    /// Partitions that have moved.
    package private(set) var moved = PartitionSet.none
    /// Those that are moving now.
    package private(set) var moving = PartitionSet.none
    package private(set) var phase = Phase.stop

    /// Partitions that move at once. Each of them waits until all have been copied.
    package static let batch = 8
    /// Bytes of a plan that is stored: two lists of the longest names.
    package static let maximumBytes = 16 * 1024

    /// The first one.
    package init(servers: [[UInt8]]) {
        generation = 1
        from = Self.sorted(servers)
        origin = Self.digest(Array(from.joined(separator: [UInt8(ascii: "\n")])))
    }

    package static func sorted(_ names: [[UInt8]]) -> [[UInt8]] { names.sorted { $0.lexicographicallyPrecedes($1) } }

    /// No change is under way.
    package var isSettled: Bool { to.isEmpty }
    /// All servers that a node has to be linked through.
    package var servers: [[UInt8]] { from + to.filter { !from.contains($0) } }

    /// Of two plans of one cluster, the one that counts. Of the same generation, what was taken back counts.
    package func isNewer(than other: ShardPlan) -> Bool {
        if generation != other.generation { return generation > other.generation }
        if isSettled != other.isSettled { return !isSettled }
        if moved.count != other.moved.count { return moved.count < other.moved.count }
        return stored.lexicographicallyPrecedes(other.stored)
    }

    /// Whether it says that the partitions that move by another plan have moved. It counts only when all servers that these partitions leave or
    /// come to have it: until then, the other one may be taken back (`takesBack`), for which one of these servers is enough. Each of them
    /// keeps what it is told first, so never both happen.
    package func completes(_ other: ShardPlan) -> Bool {
        generation == other.generation &+ 1 && !other.moving.isEmpty && !takesBack(other)
            && (moved != other.moved || isSettled)
    }

    /// Whether the partitions that move by another plan stay where they were.
    package func takesBack(_ other: ShardPlan) -> Bool {
        generation == other.generation &+ 1 && !other.moving.isEmpty && moving.isEmpty && !isSettled
    }

    /// The servers that the moving partitions leave or come to.
    package var movingServers: Set<[UInt8]> {
        let (before, after) = sides
        return moving.partitions.reduce(into: []) { $0.formUnion([before[$1], after[$1]]) }
    }

    // MARK: Who has what

    /// For each partition the name of the server that has it, or had it before it began to move.
    package var owners: [[UInt8]] {
        let (before, after) = sides
        return before.indices.map { moved.contains($0) ? after[$0] : before[$0] }
    }

    /// For each partition the name of the server that has it when the change is done.
    package var successors: [[UInt8]] { sides.after }

    private var sides: (before: [[UInt8]], after: [[UInt8]]) {
        let before = Self.owners(among: from)
        return (before, isSettled ? before : Self.owners(among: to))
    }

    package static func owners(among servers: [[UInt8]]) -> [[UInt8]] {
        Rendezvous.owners(of: RedisPartition.count, among: servers).map { servers[$0] }
    }

    /// Partitions that have another server when the change is done, whether they have moved or not.
    package var changing: PartitionSet {
        let (before, after) = sides
        return PartitionSet(before.indices.filter { before[$0] != after[$0] })
    }

    // MARK: How it goes on

    /// A change to other servers begins: nothing moves yet.
    package func changed(to servers: [[UInt8]], by maker: NodeID) -> ShardPlan {
        next(maker) {
            $0.to = Self.sorted(servers)
            $0.moved = .none
        }
    }

    /// The next partitions begin to move; or there are none, and the change is done.
    package func continued(by maker: NodeID) -> ShardPlan {
        next(maker) {
            let left = $0.changing.subtracting($0.moved).partitions
            $0.phase = .stop
            $0.moving = PartitionSet(left.prefix(Self.batch))
            guard left.isEmpty else { return }
            $0.from = $0.to
            $0.to = []
            $0.moved = .none
        }
    }

    /// Nobody publishes in the moving partitions any more.
    package func stopped(by maker: NodeID) -> ShardPlan { next(maker) { $0.phase = .copy } }

    /// What was copied is in place: the moving partitions have moved, and the next ones begin.
    package func copied(by maker: NodeID) -> ShardPlan {
        var done = self
        done.moved.formUnion(moving)
        return done.continued(by: maker)
    }

    /// The moving partitions stay where they were, for now.
    package func interrupted(by maker: NodeID) -> ShardPlan {
        next(maker) {
            $0.moving = .none
            $0.phase = .stop
        }
    }

    private func next(_ maker: NodeID, _ change: (inout ShardPlan) -> Void) -> ShardPlan {
        var plan = self
        plan.generation &+= 1
        plan.maker = maker
        change(&plan)
        return plan
    }

    // MARK: As it is stored

    package var stored: [UInt8] {
        var lines = [
            "carillon-shards 1", "origin \(origin)", "generation \(generation)", "maker \(maker.value)",
            "moved \(moved.digits)", "moving \(moving.digits)", "phase \(phase.rawValue)",
        ].map { Array($0.utf8) }
        lines += from.map { Array("from ".utf8) + $0 } + to.map { Array("to ".utf8) + $0 }
        return Array(lines.joined(separator: [UInt8(ascii: "\n")]))
    }

    /// What tells it from other plans of its generation.
    package var digest: UInt64 { Self.digest(stored) }

    /// FNV-1a, 64 bits.
    package static func digest(_ bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64(truncatingIfNeeded: $1)) &* 0x0000_0100_0000_01B3 }
    }

    /// - Returns: Nil when it is no plan, or one of a later version.
    package init?(stored: [UInt8]) {
        guard stored.count <= Self.maximumBytes else { return nil }
        let lines = stored.split(separator: UInt8(ascii: "\n"))
        guard lines.count >= 8, lines[0].elementsEqual("carillon-shards 1".utf8) else { return nil }
        func value(_ line: ArraySlice<UInt8>, _ key: String) -> [UInt8]? {
            line.starts(with: "\(key) ".utf8) ? Array(line.dropFirst(key.utf8.count + 1)) : nil
        }
        func text(_ number: Int, _ key: String) -> String? {
            value(lines[number], key).flatMap { String(validating: $0, as: UTF8.self) }
        }
        guard
            // trap-ok: reads text, and fails with nil
            let origin = text(1, "origin").flatMap({ UInt64($0) }),
            // trap-ok: reads text, and fails with nil
            let generation = text(2, "generation").flatMap({ UInt64($0) }),
            // trap-ok: reads text, and fails with nil
            let maker = text(3, "maker").flatMap({ UInt64($0) }),
            let moved = text(4, "moved").flatMap({ PartitionSet(digits: $0) }),
            let moving = text(5, "moving").flatMap({ PartitionSet(digits: $0) }),
            let phase = text(6, "phase").flatMap({ Phase(rawValue: $0) })
        else { return nil }
        self.origin = origin
        self.generation = generation
        self.maker = NodeID(maker)
        self.moved = moved
        self.moving = moving
        self.phase = phase
        from = lines[7...].compactMap { value($0, "from") }
        to = lines[7...].compactMap { value($0, "to") }
        let most = RedisConfiguration.maximumShards
        guard from.count + to.count == lines.count - 7, (1...most).contains(from.count), to.count <= most,
            !to.isEmpty || moved.isEmpty && moving.isEmpty
        else { return nil }
    }
}
