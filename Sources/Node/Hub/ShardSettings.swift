package import Codec

/// What a reactor needs to know of the configuration: a snapshot that never changes. A reload gives each reactor another one.
package struct ShardSettings: Sendable {
    package var rules: ChannelRules
    package var hubs: Hubs
    package var frameLimits: FrameLimits
    /// Of dialects that send several commands in one message.
    package var batchLimits: FrameLimits
    package var channelsPerSession: Int
    package var ioUring: Configuration.IOUring
    /// Bytes that may wait for one session.
    package var outboundBytes: Int
    /// Bytes that may wait for all sessions of one reactor together.
    package var reactorOutboundBytes: Int
    package var handshakeTimeout: Duration
    package var pingInterval: Duration
    package var pongTimeout: Duration
    package var origins: OriginRule
    package var proxy: ProxyRule
    package var compression: Packing.Settings
    package var version: String
    /// Bytes of incomplete messages that all sessions of one reactor may hold together.
    package var reactorIncompleteBytes: Int
    /// The largest publication of which deltas are made.
    package var deltaBytes: Int
    /// Bytes of publications that one reactor keeps to make deltas of.
    package var reactorDeltaBytes: Int
    /// Bytes of the filters of one session.
    package var filterBytes: Int
    /// Bytes of the filters of all sessions of one reactor.
    package var reactorFilterBytes: Int
    /// What is kept for clients that may come back.
    package var resume: ResumeLimits
    /// Bytes of it in all sessions of one reactor.
    package var reactorResumeBytes: Int
    /// Of sessions that are asked for what waits.
    package var polling: PollLimits
    /// How long a message may be incomplete.
    package var messageTimeout: Duration
    /// The largest body of a request.
    package var requestBytes: Int
    /// How long a client of a dialect that logs in may take for it.
    package var connectTimeout: Duration
    /// Bytes of events that one turn may gather.
    package var eventBytes: Int
    package var publishRate: RateLimit
    package var subscribeRate: RateLimit
    package var controlRate: RateLimit
    package var loginRate: RateLimit
    package var commandRate: RateLimit
    /// Calls of one session that the application may be asked about at a time.
    package var callsPerSession: Int
    /// Whom clients' calls are for; nil where no application answers any.
    package var upstream: Upstream?

    package init(_ configuration: Configuration, reactors: Int, version: String, upstream: Upstream? = nil) {
        self.upstream = upstream
        callsPerSession = configuration.upstreamCallsPerSession
        rules = ChannelRules(configuration.channels)
        hubs = Hubs(configuration.hubs)
        frameLimits = FrameLimits(messageBytes: configuration.messageBytes, fragments: configuration.fragments)
        batchLimits = FrameLimits(
            messageBytes: max(configuration.messageBytes, configuration.batchBytes), fragments: configuration.fragments)
        channelsPerSession = configuration.channelsPerSession
        ioUring = configuration.ioUring
        outboundBytes = configuration.outboundBytes
        reactorOutboundBytes = configuration.outboundBytesNode / reactors
        handshakeTimeout = configuration.handshakeTimeout
        pingInterval = configuration.pingInterval
        pongTimeout = configuration.pongTimeout
        origins = configuration.origins
        proxy = configuration.proxy
        compression = configuration.compression
        self.version = version
        reactorIncompleteBytes = configuration.incompleteBytesNode / reactors
        deltaBytes = configuration.deltaBytes
        reactorDeltaBytes = configuration.deltaBytesNode / reactors
        filterBytes = configuration.filterBytes
        reactorFilterBytes = configuration.filterBytesNode / reactors
        resume = configuration.resume
        reactorResumeBytes = configuration.resume.bytesNode / reactors
        polling = configuration.polling
        messageTimeout = configuration.messageTimeout
        requestBytes = configuration.requestBytes
        connectTimeout = configuration.connectTimeout
        eventBytes = configuration.eventBytes
        publishRate = RateLimit(perSecond: configuration.publishRate, burst: configuration.publishBurst)
        subscribeRate = RateLimit(perSecond: configuration.subscribeRate, burst: configuration.subscribeBurst)
        controlRate = RateLimit(perSecond: configuration.controlRate, burst: configuration.controlBurst)
        loginRate = RateLimit(perSecond: configuration.loginRate, burst: configuration.loginBurst)
        commandRate = RateLimit(perSecond: configuration.commandRate, burst: configuration.commandBurst)
    }
}

extension ShardSettings {
    /// How much a client may send in one message.
    func frameLimits(_ traits: DialectTraits) -> FrameLimits { traits.hasCommands ? batchLimits : frameLimits }
}
