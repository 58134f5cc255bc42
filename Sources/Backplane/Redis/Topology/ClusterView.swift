package import Codec
package import Reactor

/// What one server of a Redis Cluster says: who has which slots (`CLUSTER SLOTS`), and how new that is (`CLUSTER INFO`). Pure.
package struct ClusterReport: Equatable, Sendable {
    /// The master of each partition; nil where none has its slot.
    package let masters: [HostAndPort?]
    /// All servers that were named, masters first, each once.
    package let servers: [HostAndPort]
    /// The newest epoch that the server has heard of: each failover that the masters agree on has a greater one.
    package let epoch: UInt64
    /// Whether it thinks that the cluster can be used (`cluster_state:ok`).
    package let isWell: Bool

    /// The slot of each partition's hash tag.
    private static let slots = RedisPartition.tags.map { RedisSlot.of(Array($0.utf8)) }

    /// - Parameters:
    ///   - info: The answer to `CLUSTER INFO`, `slots` that to `CLUSTER SLOTS`.
    ///   - asked: Whom; an entry without a host means the same one (Redis documentation, `CLUSTER SLOTS`).
    /// - Returns: Nil when it is not that.
    package init?(info: RESPValue, slots: RESPValue, asked: HostAndPort) {
        guard let text = info.text, case .array(let ranges) = slots else { return nil }
        guard let state = Self.field("cluster_state:", of: text),
            // trap-ok: reads text, and fails with nil
            let epoch = Self.field("cluster_current_epoch:", of: text).flatMap({ UInt64($0) })
        else { return nil }
        self.epoch = epoch
        isWell = state == "ok"
        var masters: [HostAndPort?] = Array(repeating: nil, count: RedisPartition.count)
        var (leading, following): ([HostAndPort], [HostAndPort]) = ([], [])
        for range in ranges.prefix(RedisSlot.count) {
            guard case .array(let parts) = range, parts.count >= 3, case .integer(let first) = parts[0],
                case .integer(let last) = parts[1], 0 <= first, first <= last, last < Int64(RedisSlot.count)
            else { return nil }
            let places = parts.dropFirst(2).map { Self.place($0, asked) }
            if let master = places[0] {
                if !leading.contains(master) { leading.append(master) }
                // trap-ok: both are slots, 0 to 16,383
                let covered = Int(first)...Int(last)
                for partition in 0..<RedisPartition.count where covered.contains(Self.slots[partition]) {
                    masters[partition] = master
                }
            }
            for case let place? in places.dropFirst().prefix(Self.replicas) where !following.contains(place) {
                following.append(place)
            }
            guard leading.count + following.count <= Self.maximumServers else { return nil }
        }
        self.masters = masters
        servers = leading + following.filter { !leading.contains($0) }
    }

    /// The epoch in which a server got its slots, from its answer to `CLUSTER INFO`: a server that was replaced and came back is not what it
    /// was, though it may be the same process.
    package static func epoch(of info: RESPValue) -> UInt64? {
        // trap-ok: reads text, and fails with nil
        info.text.flatMap { field("cluster_my_epoch:", of: $0) }.flatMap { UInt64($0) }
    }

    /// Servers of a cluster, at the most.
    package static let maximumServers = 1000
    /// Replicas of one range that are remembered.
    private static let replicas = 8

    /// What is behind a name and a colon in one of the first lines.
    private static func field(_ name: String, of text: String) -> Substring? {
        text.split(whereSeparator: \.isNewline).prefix(100).first { $0.utf8.starts(with: name.utf8) }
            .map { $0[$0.utf8.index($0.startIndex, offsetBy: name.utf8.count)...] }
    }

    /// `[host, port, id, …]`; nil when it cannot be reached: a host that is not known is `?`.
    private static func place(_ value: RESPValue, _ asked: HostAndPort) -> HostAndPort? {
        guard case .array(let parts) = value, parts.count >= 2, case .integer(let number) = parts[1],
            let port = UInt16(exactly: number), port > 0
        else { return nil }
        let host = parts[0].text ?? ""
        if host.isEmpty { return HostAndPort(host: asked.host, port: port) }
        guard host.utf8.count <= 255, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), host != "?" else { return nil }
        return HostAndPort(host: host, port: port)
    }
}

/// The reports of several servers, put together: the newest epoch counts, and of one epoch what was said last by a server that thinks
/// that all is well. A server that was cut off from the others says something old, however often it is asked. Pure.
package struct ClusterView {
    package private(set) var report: ClusterReport?
    private var heardAt = MonotonicTime(nanoseconds: 0)
    /// Where masters said that partitions are, in which epoch, and until when that counts against other servers, which hear of it later.
    private var moves: [Int: (master: HostAndPort, epoch: UInt64, until: MonotonicTime)] = [:]

    /// What was said counts for this long against what a server says that sees the cluster in trouble.
    package static let freshness: Duration = .seconds(3)
    /// Servers of a cluster tell each other of a move within that time.
    package static let gossip: Duration = .seconds(1)

    package init() {}

    /// - Returns: Whether it is what counts now.
    package mutating func heard(_ next: ClusterReport, now: MonotonicTime) -> Bool {
        if let report {
            if next.epoch < report.epoch { return false }
            let isFresh = now - heardAt <= Self.freshness
            if next.epoch == report.epoch, report.isWell, !next.isWell, isFresh { return false }
        }
        moves = moves.filter { $0.value.until > now && $0.value.epoch >= next.epoch }
        report = moves.reduce(next) { $0.with($1.key, at: $1.value.master) }
        heardAt = now
        return true
    }

    /// A master said that a partition is at another one (`MOVED`): that is newer than any report.
    package mutating func moved(_ partition: Int, to master: HostAndPort, now: MonotonicTime) {
        guard let known = report, known.masters.indices.contains(partition) else { return }
        moves[partition] = (master, known.epoch, now + Self.gossip)
        report = known.with(partition, at: master)
    }
}

extension ClusterReport {
    private init(_ report: ClusterReport, masters: [HostAndPort?], servers: [HostAndPort]) {
        self.masters = masters
        self.servers = servers
        epoch = report.epoch
        isWell = report.isWell
    }

    fileprivate func with(_ partition: Int, at master: HostAndPort) -> ClusterReport {
        guard masters.indices.contains(partition) else { return self }
        var next = masters
        next[partition] = master
        return ClusterReport(self, masters: next, servers: servers.contains(master) ? servers : servers + [master])
    }
}

/// What a server of a cluster answers to a command whose keys it does not have, or cannot touch now. Pure.
package enum ClusterRedirect: Equatable, Sendable {
    /// The slot is at another server, for good.
    case moved(slot: Int, HostAndPort)
    /// The slot is on its way to another server: some of the keys are here and some there. Or the cluster has no quorum, or nobody has
    /// the slot. It is to be tried again.
    case later

    /// What errors begin with that pass by themselves.
    private static let passing = ["ASK ", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "LOADING", "READONLY"]

    /// - Parameter asked: Whom; a host that is left out means the same one.
    package init?(_ text: String, asked host: String) {
        if text.hasPrefix("MOVED ") {
            let parts = text.split(separator: " ")
            guard parts.count == 3, let slot = Int(parts[1]), (0..<RedisSlot.count).contains(slot),
                let place = Self.place(parts[2], host)
            else { return nil }
            self = .moved(slot: slot, place)
        } else if Self.passing.contains(where: text.hasPrefix) {
            self = .later
        } else {
            return nil
        }
    }

    private static func place(_ text: Substring, _ host: String) -> HostAndPort? {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0
        else { return nil }
        var name = String(text[..<colon])
        if name.isEmpty { name = host }
        guard name.utf8.count <= 255, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), name != "?" else { return nil }
        return HostAndPort(host: name, port: port)
    }
}
