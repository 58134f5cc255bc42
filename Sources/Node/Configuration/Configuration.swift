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

    package enum LogLevel: String, CaseIterable, Sendable {
        case debug, info, warning, error
    }

    package var nodeName = ""
    /// 0 is one per core.
    package var reactors = 0

    package var clientListen = SocketAddress.ipv4(0, port: 8000)
    package var origins = OriginRule.sameHost
    package var proxy = ProxyRule()
    package var drain = DrainSettings()
    package var compression = Packing.Settings()
    package var clientTLS = TLSFiles()
    /// Nil: `clientListen` is for TLS, if there is any.
    package var clientTLSListen: SocketAddress?
    package var adminTLS = TLSFiles()

    package var adminListen = SocketAddress.ipv4(0x7F00_0001, port: 8001)
    package var adminToken: String?
    package var adminConnections = 256
    package var adminIdleTimeout = Duration.seconds(30)

    package var backplane = BackplaneKind.memory
    package var redis = RedisConfiguration(endpoint: .tcp(host: "127.0.0.1", port: 6379))
    package var redisTLS = RedisTLS()
    package var redisSentinel = SentinelConfiguration()

    package var channels: [ChannelRule] = []

    package var authRequired = false
    package var authKeys: [KeySource] = []
    package var authAudiences: [String] = []
    package var authIssuers: [String] = []
    package var authLeeway: Duration = .seconds(30)
    package var authRequiresExpiry = true
    package var authCookie: String?
    package var authGrace: Duration = .seconds(25)
    package var connectHookURL: String?
    package var connectHookTimeout: Duration = .seconds(3)
    package var connectHookConcurrency = 256

    package var messageBytes = FrameLimits.defaultMessageBytes
    package var fragments = FrameLimits.defaultFragments
    package var channelsPerSession = 128
    package var outboundBytes = 1024 * 1024
    package var outboundBytesNode = 512 * 1024 * 1024
    package var sessions = 1_000_000
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
    package var incompleteBytesNode = 256 * 1024 * 1024
    package var publishRate = 1000
    package var publishBurst = 2000
    package var subscribeRate = 100
    package var subscribeBurst = 256
    package var controlRate = 20
    package var controlBurst = 50

    package var pingInterval: Duration = .seconds(25)
    package var pongTimeout: Duration = .seconds(8)

    package var logFormat = LogFormat.text
    package var logLevel = LogLevel.info
    package var audit = AuditMode.all

    /// Scalar keys that somebody set, as they were written.
    package var given: [String: String] = [:]

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
        return limits
    }

    /// What is right one by one and wrong together.
    package var contradictions: [String] {
        var found: [String] = []
        if !adminListen.isLoopback, adminToken == nil {
            found.append(
                "admin.listen is \(adminListen), which others can reach, and admin.token is not set: set a token, or listen on 127.0.0.1"
            )
        }
        if pongTimeout >= pingInterval {
            found.append("liveness.pong_timeout has to be shorter than liveness.ping_interval")
        }
        if messageBytes > outboundBytesNode {
            found.append("limits.message_bytes has to be at most limits.outbound_bytes_node")
        }
        found += clientTLS.contradictions(in: "client.tls")
        if let secure = clientTLSListen {
            if !clientTLS.isOn { found.append("client.tls.listen needs client.tls.certificate and client.tls.key") }
            if secure == clientListen, secure.port != 0 {
                found.append(
                    "client.listen and client.tls.listen are the same address: without client.tls.listen, client.listen speaks TLS"
                )
            }
        }
        found += adminTLS.contradictions(in: "admin.tls")
        found += redisTLS.contradictions
        if proxy.isRequired, proxy.trusted.isEmpty {
            found.append(
                "client.proxy_protocol.mode is required and client.proxy_protocol.trusted is empty: name the balancers' addresses"
            )
        }
        if !proxy.isRequired, !proxy.trusted.isEmpty {
            found.append(
                "client.proxy_protocol.trusted has no effect while client.proxy_protocol.mode is off: set it to required"
            )
        }
        if authRequired, authKeys.isEmpty, connectHookURL == nil {
            found.append(
                "auth.required is set and nobody could say who a client is: add auth.keys or auth.connect_hook.url")
        }
        if authCookie != nil {
            if case .listed = origins {
            } else {
                found.append(
                    "auth.cookie needs client.origins as a list: browsers send cookies from any page, so the pages have to be named"
                )
            }
        }
        if redisSentinel.addresses.isEmpty {
            if redisSentinel.user != nil || redisSentinel.password != nil {
                found.append("backplane.redis.sentinel_user and sentinel_password have no effect without sentinels")
            }
        } else if case .unix = redis.endpoint {
            found.append(
                "backplane.redis.sentinels and a unix:// URL contradict each other: sentinels name TCP addresses")
        }
        if drain.wait + drain.window > drain.timeout {
            found.append("drain.timeout has to be at least drain.wait and drain.window together")
        }
        if clientListen == adminListen, clientListen.port != 0 {
            found.append("client.listen and admin.listen are the same address")
        }
        return found
    }
}
