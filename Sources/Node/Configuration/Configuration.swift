package import Authentication
package import Backplane
package import Codec
package import Reactor

/// How a node is to run. Every value has a default, so an empty file, or none, is a whole configuration.
package struct Configuration: Equatable, Sendable {
    package enum BackplaneKind: String, CaseIterable, Sendable {
        case memory
        case redis
    }

    package enum LogFormat: String, CaseIterable, Sendable {
        case text
        case json
    }

    /// Which changing calls of the API are logged.
    package enum AuditMode: String, CaseIterable, Sendable {
        case all
        /// All but publications.
        case actions
        case off
    }

    /// Whether the node may send to its clients in batches.
    package enum IOUring: String, CaseIterable, Sendable {
        /// If the system allows it.
        case auto
        case off
    }

    package enum LogLevel: String, CaseIterable, Sendable {
        case debug, info, warning, error
    }

    package var nodeName = ""
    /// 0 is one per core.
    package var reactors = 0
    package var ioUring = IOUring.auto

    /// At least one.
    package var clientListen = [SocketAddress.ipv4(0, port: 8000)]
    package var origins = OriginRule.sameHost
    package var proxy = ProxyRule()
    package var drain = DrainSettings()
    package var compression = Packing.Settings()
    package var clientTLS = TLSFiles()
    /// Empty: `clientListen` is for TLS, if there is any.
    package var clientTLSListen: [SocketAddress] = []
    package var adminTLS = TLSFiles()

    package var adminListen = SocketAddress.ipv4(0x7F00_0001, port: 8001)
    package var adminToken: String?
    package var adminAPIKey: String?
    package var adminConnections = 256
    package var adminIdleTimeout = Duration.seconds(30)
    package var eventStreams = 8
    package var traces = 4
    /// Publications or messages a second that one tail or trace shows.
    package var shownRate = 500
    /// Bytes of each.
    package var shownBytes = 4096

    package var backplane = BackplaneKind.memory
    package var redis = RedisConfiguration(endpoint: .tcp(host: "127.0.0.1", port: 6379))
    package var redisURL: RedisURL?
    package var redisTLS = RedisTLS()
    package var redisSentinel = SentinelConfiguration()
    /// Several servers that know nothing of each other; empty where there is one.
    package var redisShards: [RedisShardURL] = []

    package var channels: [ChannelRule] = []
    package var hubs: [HubRule] = []
    package var webhooks: [Webhook] = []

    package var authRequired = false
    package var authKeys: [KeySource] = []
    package var authAudiences: [String] = []
    package var authIssuers: [String] = []
    package var authLeeway: Duration = .seconds(30)
    package var authRequiresExpiry = true
    package var authCookie: String?
    /// What stands in front of a user's id in the name of its personal channel; nil where users have none.
    package var authPersonalPrefix: String?
    package var authGrace: Duration = .seconds(25)
    /// How long a revocation is kept that does not say it.
    package var authRevocationLifetime: Duration = .seconds(720 * 3600)
    package var connectHookURL: String?
    package var connectHookTimeout: Duration = .seconds(3)
    package var connectHookConcurrency = 256
    package var connectHookForwarding = HeaderForwarding()
    package var rpcURL: String?
    package var upstreamTimeout: Duration = .seconds(5)
    package var upstreamConcurrency = 256
    package var upstreamCallsPerSession = 8
    package var upstreamAnswerBytes = 256 * 1024
    package var upstreamFailures = 10
    package var upstreamPause: Duration = .seconds(5)

    package var messageBytes = FrameLimits.defaultMessageBytes
    package var batchBytes = 256 * 1024
    package var fragments = FrameLimits.defaultFragments
    package var channelsPerSession = 128
    package var outboundBytes = 1024 * 1024
    package var outboundBytesNode = 512 * 1024 * 1024
    package var historyReads = HistoryReads.Limits()
    package var sessions = 1_000_000
    package var presenceLeaving = LocalPresence.defaultLeaving
    package var eventBytes = NodeEvents.defaultBytes
    package var webhookBytes = NodeEvents.defaultBytes
    package var webhookPendingBytes = 64 << 20
    package var sessionsPerAddress = 0
    package var sessionsPerUser = 0
    package var handshakes = 4096
    package var handshakesPerAddress = 0
    package var connectRate = 5000
    package var connectBurst = 20_000
    package var connectRatePerAddress = 0
    package var connectBurstPerAddress = 100
    package var handshakeTimeout: Duration = .seconds(10)
    package var connectTimeout: Duration = .seconds(10)
    package var messageTimeout: Duration = .seconds(30)
    package var requestBytes = 256 * 1024
    package var requestRate = 20_000
    package var requestBurst = 40_000
    package var requestRatePerAddress = 0
    package var requestBurstPerAddress = 100
    package var revocations = 100_000
    package var forwardBytes = 16 * 1024 * 1024
    package var incompleteBytesNode = 256 * 1024 * 1024
    package var deltaBytes = 64 * 1024
    package var deltaBytesNode = 64 * 1024 * 1024
    package var filterBytes = 16 * 1024
    package var filterBytesNode = 64 * 1024 * 1024
    package var resume = ResumeLimits()
    package var polling = PollLimits()
    /// Whether sessions are recorded for the time when their node has died: only those of hubs may be resumed.
    package var recordsSessions: Bool { resume.isRecorded && !hubs.isEmpty }
    package var publishRate = 1000
    package var publishBurst = 2000
    package var subscribeRate = 100
    package var subscribeBurst = 256
    package var loginRate = 1
    package var loginBurst = 10
    package var commandRate = 1000
    package var commandBurst = 2000
    package var controlRate = 20
    package var controlBurst = 50

    package var pingInterval: Duration = .seconds(25)
    package var pongTimeout: Duration = .seconds(8)

    package var logFormat = LogFormat.text
    package var logLevel = LogLevel.info
    package var audit = AuditMode.actions

    /// Keys that somebody set, as they were written; lists and secrets of lists as an empty text.
    package var given: [String: String] = [:]
    /// Where they were set.
    package var places: [String: ConfigurationPlace] = [:]
    /// What the file or the environment says and may not mean.
    package var warnings: [ConfigurationError.Problem] = []

    package init() {}

    /// Who may come in, when the process may have so many files open.
    package func admission(openFiles: Int) -> Admission.Limits {
        var limits = Admission.Limits(sessions: min(sessions, openFiles))
        limits.handshakes = handshakes
        limits.handshakesPerAddress = handshakesPerAddress
        limits.sessionsPerAddress = sessionsPerAddress
        limits.sessionsPerUser = sessionsPerUser
        limits.connects = RateLimit(perSecond: connectRate, burst: connectBurst)
        limits.connectsPerAddress = RateLimit(perSecond: connectRatePerAddress, burst: connectBurstPerAddress)
        limits.requests = RateLimit(perSecond: requestRate, burst: requestBurst)
        limits.requestsPerAddress = RateLimit(perSecond: requestRatePerAddress, burst: requestBurstPerAddress)
        return limits
    }
}
