import Backplane
package import Codec
package import Logging
package import Reactor

/// What all parts of a shard stand on: the reactor, the sessions by number, the configuration, the counts and the way to the
/// exchange. It decides nothing.
package final class ShardContext: @unchecked Sendable {
    package let reactor: Reactor
    package let index: Int
    package let node: NodeID
    /// Replaced as a whole by a reload, on the reactor.
    package private(set) var settings: ShardSettings
    let table: SessionTable
    let exchange: Exchange
    let admission: Admission
    private(set) var gatekeeper: Gatekeeper
    private(set) var packing: Packing
    /// What happens here, for those who listen.
    let events: EventCollector
    /// Bytes are put together here, and used before anything else is.
    let writer = ByteWriter(capacity: 64 * 1024)
    let startedAt: MonotonicTime
    /// The same in milliseconds since 1970.
    let startedAtWall: UInt64
    package var counters = ShardCounters()
    /// Set before the start; nobody is told of refusals without it.
    package var log: Logger?
    /// How the reactor sends to clients.
    package var sendPath = SendPath.oneByOne
    /// Clients that were refused or sent away.
    var refusals = RefusalLog()
    var reach = Reach.nowhere
    /// Connections that are no sessions: each asks one for what waits, and is not answered yet.
    var awaitedPolls = 0
    /// Whether a session here is traced.
    var isTracing = false
    var traces: [SessionTrace] = []
    /// Set when the shard is started, before the first connection.
    var handler: HandlerID!
    private var requests: [Exchange.Request] = []
    private var turn: (began: MonotonicTime, at: UInt64)?
    /// On the home reactor: the exchange was asked for something since this was last set to false.
    var hasAsked = false

    init(
        reactor: Reactor, index: Int, node: NodeID, settings: ShardSettings, exchange: Exchange, admission: Admission,
        gatekeeper: Gatekeeper, events: EventCollector
    ) {
        self.events = events
        self.reactor = reactor
        self.index = index
        self.node = node
        self.settings = settings
        self.exchange = exchange
        self.admission = admission
        self.gatekeeper = gatekeeper
        packing = Packing(settings.compression)
        table = SessionTable(capacity: admission.capacity)
        startedAt = .now()
        startedAtWall = WallClock.milliseconds
    }

    /// What the wall clock said when this turn had begun, in milliseconds since 1970. Read once a turn, because publications are
    /// dated by it.
    var turnTime: UInt64 {
        if let turn, turn.began == reactor.now { return turn.at }
        let at = WallClock.milliseconds
        turn = (reactor.now, at)
        return at
    }

    /// A reload: everything that asks from now on gets the new answers.
    func use(_ next: ShardSettings, _ gatekeeper: Gatekeeper) {
        if next.compression != settings.compression { packing = Packing(next.compression) }
        settings = next
        self.gatekeeper = gatekeeper
        events.maximumBytes = next.eventBytes
    }

    /// Asks the exchange for something; what it says to it comes in a later call.
    func request(_ request: Exchange.Request) {
        if exchange.home === reactor {
            hasAsked = true
            exchange.received(request, from: index)
        } else {
            requests.append(request)
        }
    }

    /// Asks the exchange to publish. On the home reactor there is no request to be packed and unpacked.
    @inline(__always)
    func publish(_ publication: Publication, _ history: HistorySettings?, _ ticket: PublishTicket) {
        if exchange.home === reactor {
            hasAsked = true
            exchange.publish(publication, history, ticket)
        } else {
            requests.append(.publish(publication, history, ticket))
        }
    }

    func sendRequests() {
        guard !requests.isEmpty else { return }
        let batch = requests
        requests = []
        requests.reserveCapacity(min(batch.count, 1024))
        let exchange = exchange
        let index = index
        exchange.home.post { for request in batch { exchange.received(request, from: index) } }
    }
}
