import Backplane
package import Codec
package import Reactor

/// One reactor's share of the node: its sessions, the channels they are subscribed to and the passes that serve them.
///
/// Nothing here is shared with another reactor, so nothing is locked. What crosses over goes through the `Exchange`.
/// The parts: this file holds the state and the doors; `ShardChannels` subscribes; `ShardPasses` fans out;
/// `ShardOpening`, `ShardFrames`, `ShardCentrifuge`, `ShardClosing` and `ShardLiveness` are a session's life.
package final class Shard: ReactorHandler, TurnWork, @unchecked Sendable {
    package let reactor: Reactor
    package let index: Int
    package let node: NodeID
    package let settings: ShardSettings
    let exchange: Exchange
    let admission: Admission
    let table: SessionTable
    /// The slots of `table`, at hand.
    let slots: UnsafeMutablePointer<SessionSlot>

    package internal(set) var counters = ShardCounters()
    /// Bytes that wait in all sessions together.
    package internal(set) var outboundBytes = 0
    /// Payload bytes held for messages that are incomplete, in all sessions together.
    package internal(set) var incompleteBytes = 0

    var channels: [ChannelName: ShardChannel] = [:]
    var channelsByIndex: [ShardChannel?] = []
    var freeChannels: [UInt32] = []
    /// Channels with a backlog or a running pass, in the order in which they take turns.
    var queue: [ShardChannel] = []
    var queueStart = 0
    /// How many channels have a backlog for which publishers wait.
    var backlogged = 0
    /// Sessions to flush at the end of the slice.
    var dirty: [UInt32] = []
    /// Sessions that broke the protocol in this turn.
    var failed: [(locator: Locator, error: FrameError)] = []
    /// Sessions that published faster than they may in this turn.
    var indebted: [Locator] = []
    /// Sessions that exceeded their budget in this slice.
    var slow: [UInt32] = []
    /// Subscriptions that lost publications in this slice and begin anew, because their clients can read them again.
    var lagging: [(locator: Locator, channel: UInt32)] = []

    /// The channel of the last command to publish, and whether clients may.
    var lastPublished: (name: ChannelName, rule: ChannelRule)?
    let gatekeeper: Gatekeeper
    let tls: TLSServer?
    /// Sessions that wait for a decision about them, centrifuge sessions that wait for their first channels, and what
    /// the application may want to know of requests.
    var judging: [UInt32: Judging] = [:]
    var connecting: [UInt32: Connecting] = [:]
    /// What centrifuge sessions that are not connected yet know of the channels their tokens give.
    var knownBefore: [UInt32: [ChannelName: Past]] = [:]
    var shown: [UInt32: Shown] = [:]
    var isAnybodyWaiting: Bool { !judging.isEmpty || !connecting.isEmpty }
    /// The session whose `connect` was just refused, while its commands are being read.
    var wasRefused = UInt32.max
    /// When subscriptions that were opened by tokens end.
    var expiries: [UInt32: SubscriptionExpiries] = [:]
    /// The same of the subscription that is just being made.
    var pendingExpiry: (channel: ChannelName, expiresAt: Int64)?
    /// What the client of the subscription that is just being made knows of the channel.
    var pendingPast: Past?
    /// The same of those that wait to be told where they begin.
    var pasts: [PastKey: Past] = [:]
    /// What opening sessions will be answered.
    var replies: [UInt32: OpeningReply] = [:]
    /// Replies to one session that are not in its outbound yet, and whose they are; `.max` for nobody's.
    let gatheredReplies = ByteWriter(capacity: 4096)
    var repliesFor = UInt32.max
    let writer = ByteWriter(capacity: 64 * 1024)
    let packing: Packing
    /// Made when the first compressed message comes.
    lazy var inflater = Inflater()
    var handler: HandlerID!
    var random = SystemRandomNumberGenerator()
    private var requests: [Exchange.Request] = []
    var isLinked = false
    /// The link has more to send than it should, so publishers have to wait.
    var isCongested = false
    /// Publishers that are not read from until the node is linked again.
    var waitingForLink: [Locator] = []
    /// How many channels were given up: dates the confirmations that come back.
    var leaves: UInt64 = 0
    let startedAt: MonotonicTime
    /// The node is about to leave: balancers are told.
    var isDraining = false
    /// Its sessions are being told to come back elsewhere.
    var leaving: Leaving?

    package init(
        reactor: Reactor, index: Int, node: NodeID, settings: ShardSettings, exchange: Exchange, admission: Admission,
        gatekeeper: Gatekeeper, tls: TLSServer?
    ) {
        self.tls = tls
        self.gatekeeper = gatekeeper
        self.reactor = reactor
        self.index = index
        self.node = node
        self.settings = settings
        packing = Packing(settings.compression)
        self.exchange = exchange
        self.admission = admission
        table = SessionTable(capacity: admission.limits.sessions)
        slots = table.slots
        startedAt = .now()
    }

    /// On the reactor, once, before the first connection.
    package func start() {
        handler = reactor.add(handler: self)
        reactor.add(turnWork: self)
        let everybody = makeChannel(.all)
        everybody.interest = .held
        // Nobody has to be subscribed for this one to stay.
        everybody.subscribers = 1
    }

    /// Whether one more connection can be taken, open files and slots considered.
    package var hasRoom: Bool { table.count < table.capacity && admission.hasRoom }
    package var sessionCount: Int { table.count }
    package var channelCount: Int { channels.count - 1 }

    // MARK: The reactor's doors

    package func ready(slot: UInt32, generation: UInt32, readiness: Readiness) {
        guard let session = table.find(slot, generation: generation) else { return }
        if session.pointee.phase == .securing { return secure(slot, session) }
        if readiness.contains(.writable), session.pointee.flags.contains(.blocked) {
            resumeWriting(slot, session)
            guard table.find(slot, generation: generation) != nil else { return }
        }
        if readiness.contains(.readable) {
            read(slot, session)
        } else if !readiness.isDisjoint(with: [.hangup, .error]) {
            drop(slot)
        }
    }

    package func timerFired(slot: UInt32, generation: UInt32, tag: UInt8) {
        guard table.find(slot, generation: generation) != nil, let alarm = SessionAlarm(rawValue: tag) else { return }
        rang(alarm, slot)
    }

    package func turn() -> Bool {
        sendRequests()
        let isMore = runPasses()
        closeFailed()
        armDebts()
        flushDirty()
        // Closing sessions gives channels up, and passes make room for publishers: that goes out in this turn too.
        sendRequests()
        return isMore
    }

    // MARK: The exchange's doors

    package func received(_ notice: Exchange.Notice) {
        switch notice {
        case .delivered(let publication): delivered(publication)
        case .held(let name, let leaves): held(name, leaves: leaves)
        case .published(let ticket, let outcome): published(ticket, outcome)
        case .placed(let name, let request, let placement): placed(name, request, placement)
        case .read(let request, let result): historyRead(request, result)
        case .lost(let name): lost(name)
        case .presence(let query, let request, let result): presenceRead(query, request, result)
        case .link(let isUp, let isCongested):
            isLinked = isUp
            self.isCongested = isCongested
            if isUp, !isCongested {
                let waiting = waitingForLink
                waitingForLink = []
                resume(waiting)
            }
        }
    }

    func request(_ request: Exchange.Request) {
        if exchange.home === reactor {
            exchange.received(request, from: index)
        } else {
            requests.append(request)
        }
    }

    private func sendRequests() {
        guard !requests.isEmpty else { return }
        let batch = requests
        requests = []
        requests.reserveCapacity(min(batch.count, 1024))
        let exchange = exchange
        let index = index
        exchange.home.post { for request in batch { exchange.received(request, from: index) } }
    }

    // MARK: Sessions by number

    @inline(__always)
    func session(_ slot: UInt32) -> UnsafeMutablePointer<SessionSlot> { slots + Int(slot) }

    package func locator(of slot: UInt32) -> Locator {
        Locator(reactor: UInt8(index), slot: slot, generation: session(slot).pointee.generation)
    }

    package func id(of slot: UInt32) -> SessionID {
        SessionID(node: node, locator: locator(of: slot).value, secret: session(slot).pointee.secret)
    }

    /// The session of that id, if it is still here.
    package func find(_ id: SessionID) -> UInt32? {
        let locator = Locator(id.locator)
        guard id.node == node, Int(locator.reactor) == index,
            let session = table.find(locator.slot, generation: locator.generation),
            session.pointee.secret == id.secret
        else { return nil }
        return locator.slot
    }
}

/// What a reactor needs to know of the configuration.
package struct ShardSettings: Sendable {
    package var rules: ChannelRules
    package var frameLimits: FrameLimits
    package var channelsPerSession: Int
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
    /// How long a message may be incomplete.
    package var messageTimeout: Duration
    /// How long a client of a dialect that logs in may take for it.
    package var connectTimeout: Duration
    package var publishRate: RateLimit
    package var subscribeRate: RateLimit
    package var controlRate: RateLimit

    package init(_ configuration: Configuration, reactors: Int, version: String) {
        rules = ChannelRules(configuration.channels)
        frameLimits = FrameLimits(messageBytes: configuration.messageBytes, fragments: configuration.fragments)
        channelsPerSession = configuration.channelsPerSession
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
        messageTimeout = configuration.messageTimeout
        connectTimeout = configuration.connectTimeout
        publishRate = RateLimit(perSecond: configuration.publishRate, burst: configuration.publishBurst)
        subscribeRate = RateLimit(perSecond: configuration.subscribeRate, burst: configuration.subscribeBurst)
        controlRate = RateLimit(perSecond: configuration.controlRate, burst: configuration.controlBurst)
    }
}
