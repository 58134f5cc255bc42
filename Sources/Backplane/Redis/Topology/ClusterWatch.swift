import Codec
import Reactor

/// Follows the topology of a Redis Cluster: asks a few of its servers who has which slots, once a second, and ten times a second while
/// something changes. On the link's home reactor.
///
/// The addresses of the configuration are only where it begins: from then on it asks the servers that it was told of, masters first,
/// and goes back to those addresses when none of them answers.
final class ClusterWatch {
    let home: Reactor
    /// As to Redis itself.
    let configuration: RedisConfiguration
    let encryption: TLSContext?
    var random = SystemRandomNumberGenerator()
    private let seeds: [HostAndPort]
    private var view = ClusterView()
    private var connections: [ClusterConnection] = []
    private var isStopped = false
    private var hurryUntil: MonotonicTime?
    /// Where the next connection looks that has lost its server.
    private var nextPlace = 0
    private let changed: (ClusterReport) -> Void
    private let objected: (String) -> Void

    /// Servers that are asked at the same time.
    private static let mostConnections = 3
    static let interval: Duration = .seconds(1)
    static let hurry: Duration = .milliseconds(100)
    /// For so long after something changed it may change further.
    static let unrest: Duration = .seconds(10)

    /// - Parameters:
    ///   - changed: What counts now; said with each report that is not older, also when it is the same.
    ///   - objected: A server cannot be asked, and nothing is known.
    init(
        home: Reactor, configuration: RedisConfiguration, encryption: TLSContext?,
        changed: @escaping (ClusterReport) -> Void, objected: @escaping (String) -> Void
    ) {
        self.home = home
        self.configuration = configuration
        self.encryption = encryption
        self.changed = changed
        self.objected = objected
        seeds = configuration.cluster
    }

    func start() {
        connections = (0..<Self.mostConnections).map { _ in ClusterConnection(owner: self) }
        for connection in connections { connection.connect() }
        tick()
    }

    func stop() {
        isStopped = true
        for connection in connections { connection.stop() }
    }

    /// Something has changed, and what it is wants to be known soon.
    func hurry() {
        hurryUntil = home.now + Self.unrest
        for connection in connections { connection.ask(now: home.now, every: Self.hurry) }
    }

    /// A master said where a partition is now.
    func moved(_ partition: Int, to master: HostAndPort) {
        view.moved(partition, to: master, now: home.now)
        if let report = view.report { changed(report) }
        hurry()
    }

    private func tick() {
        guard !isStopped else { return }
        home.schedule(after: Self.hurry) { [weak self] in self?.tick() }
        let isHurried = hurryUntil.map { home.now < $0 } ?? (view.report == nil)
        for connection in connections {
            connection.ask(now: home.now, every: isHurried ? Self.hurry : Self.interval)
        }
    }

    /// Where a connection is to go that has none: to a server that no other one asks.
    func place() -> HostAndPort {
        let known = view.report.map { $0.servers + seeds } ?? seeds
        let taken = connections.compactMap(\.address)
        for _ in known {
            nextPlace = (nextPlace + 1) % known.count
            if !taken.contains(known[nextPlace]) { return known[nextPlace] }
        }
        return known[nextPlace % known.count]
    }

    func heard(_ report: ClusterReport) {
        let before = view.report
        guard view.heard(report, now: home.now) else { return }
        if before != report { hurryUntil = home.now + Self.unrest }
        if let report = view.report { changed(report) }
    }

    func failed(_ reason: String) { objected(reason) }
}
