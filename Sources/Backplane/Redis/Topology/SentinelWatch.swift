import Codec
import Reactor

/// Follows all sentinels at once: who is the master is known before a connection is made, and noticed when it changes.
///
/// They are asked ten times a second instead of being subscribed to: a subscription can go deaf without anybody noticing,
/// and the same question is needed for every connection anyway. On the link's home reactor.
final class SentinelWatch {
    let home: Reactor
    let configuration: SentinelConfiguration
    /// As to Redis itself.
    let encryption: TLSContext?
    let serverName: String?
    var random = SystemRandomNumberGenerator()
    private var view: SentinelView
    private var connections: [SentinelConnection] = []
    private var isStopped = false
    /// The master that was named last.
    private(set) var master: SentinelView.Master?
    /// They are about to replace it.
    private var isReplacing = false
    private let changed: (SentinelView.Master) -> Void
    private let replacing: (Bool) -> Void
    private let objected: (String) -> Void

    /// A failover on purpose promotes a replica some 200 ms after it was asked for; publications have to wait before that.
    static let interval: Duration = .milliseconds(100)

    /// - Parameters:
    ///   - changed: Another master is named than before.
    ///   - replacing: They have begun to look for another one, or have ended that.
    ///   - objected: A sentinel cannot be asked, and no other one says who the master is.
    init(
        home: Reactor, configuration: SentinelConfiguration, encryption: TLSContext?, serverName: String?,
        changed: @escaping (SentinelView.Master) -> Void, replacing: @escaping (Bool) -> Void,
        objected: @escaping (String) -> Void
    ) {
        self.objected = objected
        self.home = home
        self.configuration = configuration
        self.encryption = encryption
        self.serverName = serverName
        self.changed = changed
        self.replacing = replacing
        view = SentinelView(sentinels: configuration.addresses.count)
    }

    func start() {
        connections = configuration.addresses.enumerated().map {
            SentinelConnection(index: $0.offset, address: $0.element, owner: self)
        }
        for connection in connections { connection.connect() }
        tick()
    }

    func stop() {
        isStopped = true
        for connection in connections { connection.stop() }
    }

    private func tick() {
        guard !isStopped else { return }
        home.schedule(after: Self.interval) { [weak self] in self?.tick() }
        for connection in connections { connection.ask(now: home.now) }
        reviewReplacing()
    }

    func heard(_ named: SentinelView.Master, isFailingOver: Bool, from sentinel: Int) {
        view.heard(named, isFailingOver: isFailingOver, from: sentinel, now: home.now)
        name()
        // After that: whoever is being led to the new master has nothing to wait for.
        reviewReplacing()
    }

    private func reviewReplacing() {
        guard view.isFailingOver(now: home.now) != isReplacing else { return }
        isReplacing.toggle()
        replacing(isReplacing)
    }

    private func name() {
        guard let newest = view.master(now: home.now), newest != master else { return }
        // An older answer that comes later changes nothing.
        if let master, newest.epoch < master.epoch { return }
        master = newest
        changed(newest)
    }

    func failed(_ reason: String) {
        if votes == 0 { objected(reason) }
    }

    /// How many sentinels name the master now.
    var votes: Int { master.map { view.votes(for: $0, now: home.now) } ?? 0 }
}
