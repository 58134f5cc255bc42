package import Codec
package import Reactor

/// What the sentinels say about who is the master, put together. Pure: it is told what was said and what time it is.
///
/// Every failover that sentinels agree on has a number of its own, the configuration epoch, and the highest is the last
/// (Redis documentation, "Configuration epochs"). So what counts is not how many say something but how new it is: a sentinel
/// that was cut off says something old, however often it is asked.
package struct SentinelView {
    /// Who the master is, and since which failover.
    package struct Master: Equatable, Sendable {
        package let host: String
        package let port: UInt16
        package let epoch: UInt64

        package init(host: String, port: UInt16, epoch: UInt64) {
            self.host = host
            self.port = port
            self.epoch = epoch
        }
    }

    private var reports: [(master: Master, isFailingOver: Bool, at: MonotonicTime)?]

    /// What was said about the master counts for this long.
    package static let freshness: Duration = .seconds(5)
    /// And this long, that it is being replaced: publications wait for the end of that.
    package static let failoverFreshness: Duration = .seconds(1)

    package init(sentinels: Int) { reports = Array(repeating: nil, count: sentinels) }

    package mutating func heard(_ master: Master, isFailingOver: Bool = false, from sentinel: Int, now: MonotonicTime) {
        reports[sentinel] = (master, isFailingOver, now)
    }

    /// Whether a sentinel is replacing the master now. One does it, whom the others have elected; only that one says so.
    package func isFailingOver(now: MonotonicTime) -> Bool {
        reports.contains { $0.map { $0.isFailingOver && now - $0.at <= Self.failoverFreshness } ?? false }
    }

    /// The newest master that is known; nil when nobody has said anything lately.
    package func master(now: MonotonicTime) -> Master? {
        let fresh = reports.compactMap { $0 }.filter { now - $0.at <= Self.freshness }.map(\.master)
        guard let newest = fresh.map(\.epoch).max() else { return nil }
        let named = fresh.filter { $0.epoch == newest }
        // Of one epoch there is one master; should they disagree all the same, the more count.
        return named.max { left, right in
            (named.count { $0 == left }, right.host, right.port) < (named.count { $0 == right }, left.host, left.port)
        }
    }

    /// How many sentinels say so now.
    package func votes(for master: Master, now: MonotonicTime) -> Int {
        reports.count { $0.map { $0.master == master && now - $0.at <= Self.freshness } ?? false }
    }

    /// What a sentinel answers to `SENTINEL GET-MASTER-ADDR-BY-NAME` (host and port) and to `SENTINEL MASTER` (names and
    /// values in turn).
    ///
    /// - Returns: Nil when it is not that.
    package static func master(address: RESPValue, state: RESPValue) -> Master? {
        guard case .array(let parts) = address, parts.count == 2, let host = parts[0].text, !host.isEmpty,
            host.utf8.count <= 255, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
            let port = parts[1].text.flatMap(UInt16.init), port > 0,
            case .array(let fields) = state, fields.count % 2 == 0
        else { return nil }
        return value(of: "config-epoch", in: state).flatMap(UInt64.init).map {
            Master(host: host, port: port, epoch: $0)
        }
    }

    /// Whether the answer to `SENTINEL MASTER` says that this sentinel is replacing the master.
    package static func isFailingOver(state: RESPValue) -> Bool {
        value(of: "flags", in: state)?.split(separator: ",").contains("failover_in_progress") ?? false
    }

    private static func value(of name: String, in state: RESPValue) -> String? {
        guard case .array(let fields) = state else { return nil }
        for index in stride(from: 0, to: fields.count - 1, by: 2) where fields[index].text == name {
            return fields[index + 1].text
        }
        return nil
    }
}

/// The sentinels that watch over a master, and how to talk to them.
package struct SentinelConfiguration: Equatable, Sendable {
    package var addresses: [HostAndPort] = []
    /// What they call the master.
    package var master = "mymaster"
    package var user: String?
    package var password: String?

    /// Sentinels at the most.
    package static let maximum = 16

    package init() {}
}
