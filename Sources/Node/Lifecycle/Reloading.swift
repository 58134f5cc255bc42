import Backplane
import Logging
import Reactor
import Synchronization

/// How a reload reaches the parts of a node.
extension RunningNode {
    /// Reads the certificates of the client port and of the link again, for new connections; from any thread but a reactor's, since it
    /// reads files.
    ///
    /// - Throws: What is wrong with them; those that it is about stay as they were.
    func readCertificates(_ next: Configuration, _ cause: String) throws(TLSError) {
        if let tls, let files = next.clientTLS.server {
            let certificate = try tls.reload(files)
            log.notice("\(cause): new connections get the certificate \(certificate.map { "\($0)" } ?? "")")
        }
        if next.encryptedRedis.tls != nil, let redis = backplane as? RedisBackplane {
            try redis.reload()
            log.notice("\(cause): the next connection to Redis uses the certificates as they are now")
        }
    }

    /// Puts another configuration in force. Values of keys that need a restart are those that are in force already.
    ///
    /// What the control plane and new connections ask for comes first, then what the exchange keeps of channels, then what the shards
    /// make of their sessions. So a subscriber that is told of history finds it.
    ///
    /// - Returns: What became of subscribers, when everything that is open is as the rules say.
    func use(_ next: Configuration, _ gatekeeper: Gatekeeper) async -> RuleReview.Outcome {
        live.replace(by: next, now: WallClock.milliseconds)
        LogSettings.use(next)
        admission.use(next.admission(openFiles: openFiles))
        adminConnections.limit.store(next.adminConnections, ordering: .relaxed)
        events.use(maximumBytes: next.eventBytes)
        revocations.use(limit: next.revocations)
        let exchange = exchange
        let inbox = inbox
        let backplane = backplane
        let home = home
        let settings = ExchangeSettings(next)
        let limits = BackplaneLimits(
            presenceLeaving: next.presenceLeaving, largestMessage: next.messageBytes,
            marksReserved: next.recordsSessions)
        await withCheckedContinuation { continuation in
            home.post {
                backplane.use(limits)
                inbox.use(forwardBytes: next.forwardBytes, pollTimeout: next.polling.timeout)
                exchange.use(settings) { continuation.resume() }
            }
        }
        await webhooks.use(next)
        let upstream = upstream.withLock { upstream in
            upstream = Upstream.make(next, replacing: upstream, log: log)
            return upstream
        }
        let snapshot = ShardSettings(
            next, reactors: shards.count, version: Version.number, upstream: upstream)
        return await withTaskGroup(of: RuleReview.Outcome.self) { group in
            for shard in shards {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        shard.reactor.post { shard.use(snapshot, gatekeeper) { continuation.resume(returning: $0) } }
                    }
                }
            }
            return await group.reduce(into: RuleReview.Outcome()) { sum, outcome in
                sum.subscriptionsEnded &+= outcome.subscriptionsEnded
                sum.sessionsClosed &+= outcome.sessionsClosed
            }
        }
    }
}
