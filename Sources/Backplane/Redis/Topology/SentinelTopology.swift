import Reactor

/// One server, at the address that the sentinels say.
final class SentinelTopology {
    let server: RedisServer
    /// The same, for whoever goes through all of them.
    let servers: [RedisServer]
    private let configuration: SentinelConfiguration
    /// Owns its topology, so it outlives it.
    private unowned(unsafe) let owner: RedisBackplane
    private var watch: SentinelWatch?

    init(_ configuration: RedisConfiguration, _ sentinel: SentinelConfiguration, owner: RedisBackplane) {
        self.configuration = sentinel
        self.owner = owner
        server = RedisServer(owner: owner, configuration: configuration)
        server.partitions = .all
        servers = [server]
    }

    func start() {
        let watch = SentinelWatch(
            home: owner.home, configuration: configuration, encryption: owner.encryption,
            serverName: server.configuration.serverName,
            changed: { [self] in self.named($0) },
            replacing: { [self] in self.server.replacing($0) },
            objected: { [self] in self.failed($0) })
        self.watch = watch
        watch.start()
    }

    func stop() {
        watch?.stop()
        watch = nil
    }

    /// The sentinels name another master.
    private func named(_ next: SentinelView.Master) {
        let old = server.address
        let address = ServerAddress(.tcp(host: next.host, port: next.port), failover: next.epoch)
        server.move(to: address) {
            let reason = "the sentinels name another master: \(server.addressText)"
            if let old, old.endpoint != address.endpoint { owner.receiver?.happened(.warning, reason) }
            return reason
        }
    }

    /// No sentinel can be asked: as long as the link is up that only means that nobody would notice another master.
    private func failed(_ reason: String) {
        guard server.state.isRunning else { return }
        let text = "no sentinel names the master: \(reason)"
        if !server.state.isLinked { return owner.failed(text, at: server) }
        guard server.said.isDue(.silentSentinels, now: .now()) else { return }
        owner.receiver?.happened(.warning, text)
    }
}
