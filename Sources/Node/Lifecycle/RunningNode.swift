package import Backplane
package import Codec
package import Logging
package import Reactor

/// A node: its reactors, their shards and listeners, the exchange between them and the link to the others.
package final class RunningNode: Sendable {
    package let id: NodeID
    package let name: String
    package let configuration: Configuration
    package let log: Logger
    /// Milliseconds since 1970.
    package let startedAt: UInt64
    package let reactors: [Reactor]
    package let shards: [Shard]
    package let exchange: Exchange
    package let backplane: any Backplane
    package let desk: Desk
    package let gatekeeper: Gatekeeper
    package let tls: TLSServer?
    let adminConnections = AdminConnections.Count()
    package let draining = Draining()
    package let clientAddress: SocketAddress
    /// A port of its own for TLS, if it has one.
    package let secureAddress: SocketAddress?
    private let ports: [ClientPort]
    nonisolated(unsafe) private var listeners: [Listener] = []

    package static let version = "0.1.0"

    package var home: Reactor { reactors[0] }

    /// Prepares everything and takes the client port, so that what is wrong is known before anything runs.
    package init(configuration: Configuration, hostName: String, cores: Int, log: Logger) throws {
        self.configuration = configuration
        self.log = log
        id = .random()
        name = configuration.nodeName.isEmpty ? hostName : configuration.nodeName
        startedAt = WallClock.milliseconds
        let count = configuration.reactors == 0 ? max(1, min(cores, Exchange.maximumReactors)) : configuration.reactors
        let limit = Descriptors.raiseLimit()
        log.info("open files: \(limit.now) allowed (\(limit.before) before), \(Descriptors.reserved) reserved")
        let admission = Admission(
            limits: configuration.admission(openFiles: max(1, limit.now - Descriptors.reserved)))

        let gatekeeper = try Gatekeeper(configuration, log: log)
        self.gatekeeper = gatekeeper
        var tls: TLSServer?
        if let files = configuration.clientTLS.server {
            let server = try TLSServer(files)
            log.info("client port: TLS\(server.context.certificate.map { ", \($0)" } ?? "")")
            tls = server
        }
        self.tls = tls

        let port = try ClientPort(
            configuration.clientListen, reactors: count,
            isSecure: tls != nil && configuration.clientTLSListen == nil)
        let securePort = try configuration.clientTLSListen.map {
            try ClientPort($0, reactors: count, isSecure: true)
        }
        clientAddress = port.address
        secureAddress = securePort?.address
        ports = [port, securePort].compactMap { $0 }

        var reactors: [Reactor] = []
        for index in 0..<count { reactors.append(try Reactor(index: index, name: "reactor-\(index)")) }
        self.reactors = reactors
        switch configuration.backplane {
        case .memory:
            backplane = MemoryBackplane(home: reactors[0], node: id, name: name, wallClock: WallClock.milliseconds)
        case .redis:
            backplane = try RedisBackplane(
                home: reactors[0], node: id, name: name, configuration: configuration.encryptedRedis,
                wallClock: { WallClock.milliseconds })
        }
        exchange = Exchange(
            home: reactors[0], backplane: backplane, rules: ChannelRules(configuration.channels),
            messageBytes: configuration.messageBytes)
        let settings = ShardSettings(configuration, reactors: count, version: Self.version)
        var shards: [Shard] = []
        for reactor in reactors {
            shards.append(
                Shard(
                    reactor: reactor, index: reactor.index, node: id, settings: settings, exchange: exchange,
                    admission: admission, gatekeeper: gatekeeper, tls: tls))
        }
        self.shards = shards
        exchange.attach(shards)
        desk = Desk(exchange: exchange, backplane: backplane, clock: { WallClock.milliseconds })
        desk.log = { level, message in
            switch level {
            case .info: log.info("\(message)")
            case .warning: log.warning("\(message)")
            case .error: log.error("\(message)")
            }
        }
    }

    /// Starts the threads and lets clients in.
    package func start() async throws {
        for reactor in reactors { reactor.start() }
        for shard in shards where shard.reactor !== home {
            await shard.reactor.perform { shard.start() }
        }
        let desk = desk
        let backplane = backplane
        let exchange = exchange
        let first = shards[0]
        // The link's work comes before the exchange's, and that before the passes: what is published leaves first.
        await home.perform {
            backplane.start(receiver: desk)
            exchange.home.add(turnWork: exchange)
            first.start()
        }
        for (shard, descriptor, isSecure) in ports.flatMap({ port in
            zip(shards, port.descriptors).map { ($0, $1, port.isSecure) }
        }) {
            let listener = Listener(reactor: shard.reactor, descriptor: descriptor) { client, peer in
                shard.accepted(client, from: peer, isSecure: isSecure)
            }
            listener.admit = { shard.hasRoom }
            nonisolated(unsafe) let starting = listener
            listeners.append(listener)
            let failure = await shard.reactor.perform { () -> SystemError? in
                do throws(SystemError) {
                    try starting.start()
                    return nil
                } catch {
                    return error
                }
            }
            if let failure { throw failure }
        }
    }

    /// No new clients from here on.
    func stopListening() async {
        for listener in listeners {
            nonisolated(unsafe) let stopping = listener
            await listener.reactor.perform { stopping.stop() }
        }
    }

    /// Whoever is still there is told to come back elsewhere; the other nodes hear our farewell.
    package func stop() async {
        await stopListening()
        for shard in shards {
            await shard.reactor.perform {
                shard.closeAll(code: .goingAway, reason: Shard.leavingReason)
            }
        }
        // The farewell's pause is also the time the close frames have to leave.
        let backplane = backplane
        await withCheckedContinuation { continuation in
            home.post { backplane.stop { continuation.resume() } }
        }
        for reactor in reactors { reactor.stop() }
        for port in ports { port.removeFile() }
    }

    /// Reads the certificates again, for new connections; what is wrong with them is logged and changes nothing.
    package func reload() {
        let redis = configuration.encryptedRedis.tls == nil ? nil : backplane as? RedisBackplane
        if tls == nil, redis == nil {
            return log.notice("SIGHUP: there is nothing to reload; a changed configuration takes a restart")
        }
        do throws(TLSError) {
            if let tls {
                let certificate = try tls.reload()
                log.notice("SIGHUP: new connections get the certificate \(certificate.map { "\($0)" } ?? "")")
            }
        } catch {
            log.error("SIGHUP: the certificate of the client port stays as it was: \(error)")
        }
        do throws(TLSError) {
            if let redis {
                try redis.reload()
                log.notice("SIGHUP: the next connection to Redis uses the certificates as they are now")
            }
        } catch {
            log.error("SIGHUP: the certificates for Redis stay as they were: \(error)")
        }
    }

    /// How often the listeners had to pause.
    package func listenerStatistics() async -> [Listener.Statistics] {
        var all: [Listener.Statistics] = []
        for listener in listeners {
            nonisolated(unsafe) let asked = listener
            all.append(await listener.reactor.perform { asked.statistics })
        }
        return all
    }
}
