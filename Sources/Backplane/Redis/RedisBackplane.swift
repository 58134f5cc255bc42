package import Codec
package import Reactor

/// The link to Redis: one connection for commands, one for subscriptions, and the rules by which they count as a link.
///
/// The pure parts decide (`InterestTable`, `PublishBuffer`, `ReplyQueue`, `NodeRegistry`, `Backoff`); this class moves
/// bytes between them and the two connections. Its extensions: `RedisCommands` is the command connection,
/// `RedisSubscriber` the other one, `RedisLink` decides whether the node is linked.
package final class RedisBackplane: Backplane, @unchecked Sendable {
    package let home: Reactor
    package let kind = "redis"
    package var isCongested: Bool {
        isHolding || replies.count > Self.congestedReplies || (commands?.outboundBytes ?? 0) > Self.congestedBytes
    }
    package internal(set) var link: LinkState
    let node: NodeID
    let name: String
    let configuration: RedisConfiguration
    let wallClock: @Sendable () -> UInt64
    weak var receiver: (any BackplaneReceiver)?

    /// For the next connection; nil without TLS.
    private(set) var encryption: TLSContext?
    let names: RedisNames
    var interest = InterestTable()
    var buffer: PublishBuffer
    var replies = ReplyQueue()
    var registry: NodeRegistry
    var commands: RedisConnection!
    var subscriber: RedisConnection!
    /// With Sentinel: who says where Redis is.
    var sentinels: SentinelWatch?
    /// The master the connections are for, and since which failover.
    var master: SentinelView.Master?
    /// The master is being replaced, and publications wait for the next one.
    var isHolding = false
    /// When it was said last that no sentinel can be asked.
    private var lastSilence: MonotonicTime?
    /// Which server this is: another one, or the same started anew, begins new epochs.
    var identity: [UInt8]?
    var scripts: [RedisScript: [UInt8]] = [:]
    /// Why there is no history, if there is none.
    var historyObjection: String?
    /// What publishers were told, in case another server knows nothing of it.
    var acknowledged = AcknowledgedPositions()
    /// The server that acknowledged it.
    var acknowledger: [UInt8]?
    let tail = ByteWriter(capacity: 64 * 1024)
    var presence = RedisPresence()
    let envelope = ByteWriter(capacity: 64 * 1024)
    let output = ByteWriter(capacity: 64 * 1024)
    var random = SystemRandomNumberGenerator()
    /// The name of the last channel something came for, so that a burst copies it once.
    var lastChannel: ChannelName?

    var isRunning = false
    /// Channels are wanted that will be asked for in the next turn.
    private var isGathering = false
    /// The command connection has said who it is and talks to a master.
    var isCommandReady = false
    var isSubscriberReady = false
    /// The channels wanted have all been confirmed since the subscriber connected.
    var isCaughtUp = false
    /// Channels asked for again since the subscriber connected anew.
    var resubscribing = 0
    var beatSequence: UInt64 = 0
    /// When the beats that have not come back were sent.
    var beatsSent: [UInt64: MonotonicTime] = [:]
    /// Own beats that came back since the subscriber connected.
    var hasHeardItself = false
    /// The last failure that was logged, so that a loop of the same one is one line a minute.
    var lastFailure: (text: String, at: MonotonicTime)?

    /// From here on the link counts as congested: commands without a reply, and bytes the socket has not taken.
    static let congestedReplies = 64 * 1024
    static let congestedBytes = 4 * 1024 * 1024
    /// Bytes that may wait for one connection.
    static let outboundLimit = 64 * 1024 * 1024

    /// - Throws: What is wrong with the certificates it is to show or to trust.
    package init(
        home: Reactor, node: NodeID, name: String, configuration: RedisConfiguration,
        wallClock: @escaping @Sendable () -> UInt64
    ) throws(TLSError) {
        encryption = try configuration.tls.map { tls throws(TLSError) in try TLSContext(tls) }
        self.home = home
        self.node = node
        self.name = name
        self.configuration = configuration
        self.wallClock = wallClock
        names = RedisNames(prefix: configuration.prefix, node: node)
        link = LinkState(since: wallClock())
        buffer = PublishBuffer(wait: configuration.publishWait, maximumBytes: configuration.publishBufferBytes)
        registry = NodeRegistry(own: node, name: name, now: .now())
    }

    /// Reads the certificates again, for the next connection; from any thread but the reactor's, since it reads files.
    ///
    /// - Throws: What is wrong with them; then everything stays as it was.
    package func reload() throws(TLSError) {
        guard let tls = configuration.tls else { return }
        let next = try TLSContext(tls)
        home.post { self.encryption = next }
    }

    package var nodes: [NodeRecord] { registry.nodes }

    package func start(receiver: any BackplaneReceiver) {
        self.receiver = receiver
        isRunning = true
        commands = RedisConnection(role: .commands, owner: self)
        subscriber = RedisConnection(role: .subscriber, owner: self)
        if let sentinel = configuration.sentinel {
            sentinels = SentinelWatch(
                home: home, configuration: sentinel, encryption: encryption, serverName: configuration.serverName,
                changed: { [weak self] in self?.named($0) },
                replacing: { [weak self] in self?.replacing($0) },
                objected: { [weak self] in self?.sentinelsFailed($0) })
            sentinels?.start()
        }
        commands.connect()
        subscriber.connect()
        tick()
    }

    /// Where Redis is, for people.
    var server: String {
        guard let sentinel = configuration.sentinel else { return "\(configuration.endpoint)" }
        guard let master else { return "an unknown place (master '\(sentinel.master)')" }
        return "\(HostAndPort(host: master.host, port: master.port)) (master '\(sentinel.master)')"
    }

    /// No sentinel can be asked: as long as the link is up that only means that nobody would notice another master.
    private func sentinelsFailed(_ reason: String) {
        guard isRunning else { return }
        let text = "no sentinel says who the master is: \(reason)"
        if link.phase != .linked { return failed(text) }
        let now = MonotonicTime.now()
        if let lastSilence, now - lastSilence < Self.logInterval { return }
        lastSilence = now
        receiver?.happened(.warning, text)
    }

    /// The sentinels name another master: whoever is connected to the old one leaves it at once, for it may go on as if
    /// nothing had happened.
    private func named(_ next: SentinelView.Master) {
        let old = master
        master = next
        guard isRunning else { return }
        if let old, (old.host, old.port) != (next.host, next.port) {
            receiver?.happened(.warning, "the sentinels name another master: \(server)")
        }
        for connection in [commands!, subscriber!] {
            connection.follow(next, "the sentinels name another master: \(server)")
        }
    }

    package func stop(completion: @escaping @Sendable () -> Void) {
        guard isRunning else { return completion() }
        isRunning = false
        if isCommandReady {
            envelope.removeAll()
            NodeMessage.farewell(node).write(to: envelope)
            send(.nodeMessage) { RESPWriter.publish(prefix: [], channel: names.beat, payload: envelope.bytes, to: $0) }
            // Members that move to another node get the time to do so before the others count them as gone.
            let rest = presence.here.count == 0 ? 1 : presence.longestGrace
            send(.lease) {
                RESPWriter.command([Array("PEXPIRE".utf8), names.lease, Array("\(max(1, rest))".utf8)], to: $0)
            }
            commands.flush()
        }
        for waiting in buffer.takeAll() { receiver?.published(waiting.ticket, .refused(.isolated)) }
        receiver = nil
        // A moment for the farewell to leave the socket; closing it then loses nothing.
        home.schedule(after: .milliseconds(50)) { [weak self] in
            self?.sentinels?.stop()
            self?.commands.stop()
            self?.subscriber.stop()
            completion()
        }
    }

    // MARK: Interest

    package func hold(_ channel: ChannelName) {
        if interest.hold(channel) {
            receiver?.held(channel)
        } else if !isGathering {
            // One SUBSCRIBE for all that this turn asks for.
            isGathering = true
            home.post {
                self.isGathering = false
                self.subscribeMore()
            }
        }
        link.channels = interest.count
    }

    package func release(_ channel: ChannelName) {
        let wasLingering = interest.isLingering
        interest.release(channel, now: home.now)
        link.channels = interest.count
        if !wasLingering, interest.isLingering { scheduleLinger() }
    }

    private func scheduleLinger() {
        home.schedule(after: InterestTable.linger) { [weak self] in
            guard let self, self.isRunning else { return }
            self.unsubscribe(self.interest.expired(now: .now()))
            self.link.channels = self.interest.count
            if self.interest.isLingering { self.scheduleLinger() }
        }
    }

    // MARK: Questions

    package func ask(_ body: [UInt8], id: UInt64, to target: NodeID?) {
        if target == nil || target == node { receiver?.asked(body, id: id, from: node) }
        guard target != node, isCommandReady else { return }
        send(NodeMessage.question(id: id, from: node, body: body), to: target.map(names.directed) ?? names.beat)
    }

    package func answer(_ body: [UInt8], id: UInt64, to target: NodeID) {
        if target == node {
            receiver?.answered(body, id: id, from: node)
        } else if isCommandReady {
            send(NodeMessage.answer(id: id, from: node, body: body), to: names.directed(target))
        }
    }

    func send(_ message: NodeMessage, to channel: [UInt8]) {
        envelope.removeAll()
        message.write(to: envelope)
        send(.nodeMessage) { RESPWriter.publish(prefix: [], channel: channel, payload: envelope.bytes, to: $0) }
    }
}

/// The keys and channels of a cluster in Redis, all under its prefix.
struct RedisNames {
    let prefix: [UInt8]
    /// In front of a channel's name.
    let channel: [UInt8]
    let beat: [UInt8]
    let lease: [UInt8]
    let meta: [UInt8]
    let stream: [UInt8]
    let key: [UInt8]
    /// What is meant for this node alone.
    let own: [UInt8]

    init(prefix: String, node: NodeID) {
        let start = Array("\(prefix):".utf8)
        self.prefix = start
        channel = start + Array("c:".utf8)
        beat = start + Array("beat".utf8)
        lease = start + Array("lease:\(node)".utf8)
        meta = start + Array("m:".utf8)
        stream = start + Array("h:".utf8)
        key = start + Array("i:".utf8)
        own = start + Array("node:\(node)".utf8)
    }

    /// A key of presence: `p`, `pu`, `pl`, `pc`, `pn` or `pr`, and what it is about.
    func presence(_ kind: String, _ about: [UInt8] = []) -> [UInt8] {
        prefix + Array(kind.utf8) + (about.isEmpty ? [] : [UInt8(ascii: ":")] + about)
    }

    func members(_ channel: [UInt8], of node: NodeID) -> [UInt8] {
        presence("p", channel + Array(":\(node)".utf8))
    }

    func directed(_ node: NodeID) -> [UInt8] { prefix + Array("node:\(node)".utf8) }

    func channel(_ name: ChannelName) -> [UInt8] { channel + name.bytes }
}
