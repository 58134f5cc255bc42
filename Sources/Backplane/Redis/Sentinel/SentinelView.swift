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

    private var reports: [(master: Master, at: MonotonicTime)?]

    /// What was said counts for this long.
    package static let freshness: Duration = .seconds(5)

    package init(sentinels: Int) { reports = Array(repeating: nil, count: sentinels) }

    package mutating func heard(_ master: Master, from sentinel: Int, now: MonotonicTime) {
        reports[sentinel] = (master, now)
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
        guard case .array(let place) = address, place.count == 2, let host = place[0].text, !host.isEmpty,
            host.utf8.count <= 255, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
            let port = place[1].text.flatMap(UInt16.init), port > 0,
            case .array(let fields) = state, fields.count % 2 == 0
        else { return nil }
        for index in stride(from: 0, to: fields.count, by: 2) where fields[index].text == "config-epoch" {
            return fields[index + 1].text.flatMap(UInt64.init).map { Master(host: host, port: port, epoch: $0) }
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
