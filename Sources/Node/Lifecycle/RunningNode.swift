package import Backplane
package import Codec
package import Logging
package import Reactor
import Synchronization

/// A node: its reactors, their shards and listeners, the exchange between them and the link to the others.
package final class RunningNode: Sendable {
    package let id: NodeID
    package let name: String
    /// What is in force.
    package let live: LiveConfiguration
    package var configuration: Configuration { live.configuration }
    package let log: Logger
    /// Milliseconds since 1970.
    package let startedAt: UInt64
    package let reactors: [Reactor]
    package let shards: [Shard]
    package let exchange: Exchange
    package let backplane: any Backplane
    package let inbox: BackplaneInbox
    package let events: NodeEvents
    let webhooks: Webhooks
    package let tls: TLSServer?
    let admission: Admission
    let adminConnections: AdminConnections.Count
    package let draining = Draining()
    package let watch: ReactorWatch
    let listeners: ClientListeners
    /// Looks at the rates of channels while somebody wants to know them.
    let channelRates: ChannelRates
    let streamCounters = StreamCounters()
    /// How often limits were reached lately.
    let limits = Mutex(LimitWatch())
    /// Sessions that are traced.
    let traces: Traces
    /// The last ten minutes, one sample a second.
    let samples = Mutex(SampleRing())
    /// That of the start; a reload makes another one.
    private let firstGatekeeper: Gatekeeper
    /// Whom clients' calls are for, as it is configured now.
    let upstream: Mutex<Upstream?>
    /// Tokens that are not accepted any more.
    package var revocations: Revocations { firstGatekeeper.revocations }
    let revocationKeeper: RevocationKeeper
    /// Files that clients may have open.
    let openFiles: Int

    /// Where clients connect, with the ports that the system chose.
    package var clientAddresses: [SocketAddress] { listeners.addresses }
    /// Those for TLS, where they are beside others.
    package var secureAddresses: [SocketAddress] { listeners.secureAddresses }

    package var home: Reactor { reactors[0] }

    /// Prepares everything and takes the client port, so that what is wrong is known before anything runs.
    package init(configuration: Configuration, hostName: String, cores: Int, log: Logger) throws {
        live = LiveConfiguration(configuration, now: WallClock.milliseconds)
        adminConnections = .init(limit: configuration.adminConnections)
        self.log = log
        id = .random()
        name = configuration.nodeName.isEmpty ? hostName : configuration.nodeName
        startedAt = WallClock.milliseconds
        let count = configuration.reactors == 0 ? max(1, min(cores, Exchange.maximumReactors)) : configuration.reactors
        let limit = Descriptors.raiseLimit()
        log.info("open files: \(limit.now) allowed (\(limit.before) before), \(Descriptors.reserved) reserved")
        openFiles = max(1, limit.now - Descriptors.reserved)
        // Room for what a reload may allow.
        let admission = Admission(
            limits: configuration.admission(openFiles: openFiles),
            capacity: min(openFiles, ReloadEffect.roomForSessions))
        self.admission = admission

        let gatekeeper = try Gatekeeper(configuration, log: log)
        firstGatekeeper = gatekeeper
        var tls: TLSServer?
        if let files = configuration.clientTLS.server {
            let server = try TLSServer(files)
            log.info("client port: TLS\(server.context.certificate.map { ", \($0)" } ?? "")")
            tls = server
        }
        self.tls = tls

        let isDivided = !configuration.clientTLSListen.isEmpty
        let ports =
            try configuration.clientListen.map {
                try ClientPort($0, reactors: count, isSecure: tls != nil && !isDivided)
            }
            + configuration.clientTLSListen.map { try ClientPort($0, reactors: count, isSecure: true) }

        var reactors: [Reactor] = []
        for index in 0..<count { reactors.append(try Reactor(index: index, name: "reactor-\(index)")) }
        self.reactors = reactors
        let events = NodeEvents(reactors: reactors, maximumBytes: configuration.eventBytes)
        self.events = events
        watch = ReactorWatch(reactors, log: log)
        switch configuration.backplane {
        case .memory:
            backplane = MemoryBackplane(
                home: reactors[0], node: id, name: name, wallClock: WallClock.milliseconds,
                presenceLeaving: configuration.presenceLeaving)
        case .redis:
            backplane = try RedisBackplane(
                home: reactors[0], node: id, name: name, configuration: configuration.encryptedRedis,
                presenceLeaving: configuration.presenceLeaving, marksReserved: configuration.recordsSessions,
                wallClock: { WallClock.milliseconds })
        }
        exchange = Exchange(
            home: reactors[0], backplane: backplane, rules: ChannelRules(configuration.channels),
            messageBytes: configuration.messageBytes, outboundBytes: configuration.outboundBytes,
            reads: configuration.historyReads, events: events.collectors[0])
        let upstream = Upstream.make(configuration, log: log)
        self.upstream = Mutex(upstream)
        let settings = ShardSettings(configuration, reactors: count, version: Version.number, upstream: upstream)
        var shards: [Shard] = []
        for reactor in reactors {
            shards.append(
                Shard(
                    reactor: reactor, index: reactor.index, node: id, settings: settings, exchange: exchange,
                    admission: admission, gatekeeper: gatekeeper, tls: tls, events: events.collectors[reactor.index]))
        }
        self.shards = shards
        channelRates = ChannelRates(shards)
        webhooks = Webhooks(
            node: id, home: reactors[0], backplane: backplane, events: events, queueBytes: configuration.webhookBytes,
            log: log)
        traces = Traces(streamCounters)
        for shard in shards { shard.log = log }
        listeners = ClientListeners(ports, shards: shards, isDivided: isDivided)
        exchange.attach(shards)
        inbox = BackplaneInbox(
            exchange: exchange, backplane: backplane, clock: { WallClock.milliseconds },
            forwardBytes: configuration.forwardBytes, pollTimeout: configuration.polling.timeout)
        let inbox = inbox
        revocationKeeper = RevocationKeeper(
            backplane: backplane, revocations: gatekeeper.revocations, shards: shards,
            clock: { Int64(clamping: WallClock.milliseconds / 1000) },
            report: { [weak inbox] in inbox?.happened($0, $1) })
        inbox.revocations = revocationKeeper
        inbox.log = { level, message in
            switch level {
            case .info: log.info("\(message)")
            case .warning: log.warning("\(message)")
            case .error: log.error("\(message)")
            }
        }
    }

    /// Reads the configuration again when it is told to.
    package func reloads(from source: ConfigurationSource) -> Reloads { Reloads(self, source, firstGatekeeper) }

    /// Starts the threads and lets clients in.
    package func start() async throws {
        for reactor in reactors { reactor.start() }
        for shard in shards where shard.reactor !== home {
            await shard.reactor.perform { shard.start() }
        }
        let inbox = inbox
        let backplane = backplane
        let exchange = exchange
        let first = shards[0]
        // The link's work comes before the exchange's, and that before the passes: what is published leaves first.
        await home.perform {
            backplane.start(receiver: inbox)
            exchange.home.add(turnWork: exchange)
            first.start()
        }
        await tellSendPath()
        // Before anybody comes, so that nobody's coming is missed.
        await webhooks.use(configuration)
        try await listeners.open()
    }

    private func tellSendPath() async {
        var paths: [SendPath] = []
        for shard in shards { paths.append(await shard.reactor.perform { shard.context.sendPath }) }
        log.info("sends to clients: \(SendPath.text(of: paths))")
    }

    /// Whoever is still there is told to come back elsewhere; the other nodes hear our farewell.
    package func stop() async {
        await listeners.end()
        for shard in shards {
            await shard.reactor.perform { shard.closeAll() }
        }
        await webhooks.stop()
        // The farewell's pause is also the time the close frames have to leave.
        let backplane = backplane
        await withCheckedContinuation { continuation in
            home.post { backplane.stop { continuation.resume() } }
        }
        for reactor in reactors { reactor.stop() }
    }
}
