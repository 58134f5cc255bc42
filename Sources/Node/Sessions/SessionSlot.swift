package import Codec
package import Reactor

/// Everything one session costs while it is idle: a slot in its reactor's slab.
///
/// Trivial on purpose (no reference counting, no initialisers run behind one's back): what it owns is given back by
/// `SessionTable.release`.
package struct SessionSlot {
    package enum Phase: UInt8 {
        case free
        /// The balancer has not said whole for whom it speaks.
        case proxy
        /// The TLS handshake is not over.
        case securing
        /// The request head has not come in whole.
        case head
        /// The body of the request has not come in whole.
        case body
        /// The request has commands for a session, and it is awaited what became of them.
        case carrying
        /// The request asks a session for what waits, or ends one, and it is awaited what becomes of it.
        case polling
        /// The request has a publication, and it is awaited what became of it.
        case publishing
        /// The request was understood; somebody is asked who sends it.
        case authenticating
        /// The request was understood; the reply waits until the channels are confirmed.
        case opening
        case open
        /// The last bytes are on their way; what still comes in is read and forgotten.
        case closing
    }

    package struct Flags: OptionSet {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }

        /// Waits in the list of sessions to flush at the end of the slice.
        package static let dirty = Flags(rawValue: 1 << 0)
        /// EPOLLOUT is armed.
        package static let blocked = Flags(rawValue: 1 << 1)
        /// The running pass has something that is not for this session.
        package static let excepted = Flags(rawValue: 1 << 2)
        /// A ping was sent and nothing has come since.
        package static let pinged = Flags(rawValue: 1 << 3)
        /// It came in at a port for TLS.
        package static let secure = Flags(rawValue: 1 << 4)
        /// Our side of the connection was shut down.
        package static let shut = Flags(rawValue: 1 << 5)
        /// It exceeded its budget in this slice, and leaves at the slice's end.
        package static let slow = Flags(rawValue: 1 << 6)
        /// Anything at all came in since the last ping.
        package static let heard = Flags(rawValue: 1 << 7)
        /// Nothing is read, because a channel it publishes to is too far behind.
        package static let paused = Flags(rawValue: 1 << 8)
        /// It is not read from while it waits for its channels to be confirmed.
        package static let parked = Flags(rawValue: 1 << 9)
        /// It is not read from until what it published too fast is paid for.
        package static let indebted = Flags(rawValue: 1 << 10)
        /// The admission counts it, with its address.
        package static let counted = Flags(rawValue: 1 << 11)
        /// The admission counts it as open.
        package static let settled = Flags(rawValue: 1 << 12)
        /// An alarm for an incomplete message is set.
        package static let timed = Flags(rawValue: 1 << 13)

        /// What it sends is not carried out until something it sent before is decided.
        package static let suspended = Flags(rawValue: 1 << 14)
        /// It waits for its turn to be read from.
        package static let queued = Flags(rawValue: 1 << 15)

        /// Why a session is not read from.
        package static let unread: Flags = [.paused, .parked, .indebted, .suspended]
    }

    // In this order they take 248 bytes.
    package var stream = Stream(descriptor: -1)
    package var generation: UInt32 = 0
    package var phase = Phase.free
    package var variant = Variant.undecided
    /// Whether it outlives its connection.
    package var linkage = Linkage.plain
    package var flags = Flags()
    /// Channels that are not confirmed yet.
    package var unconfirmed: UInt16 = 0
    /// What the kernel held for it when it took no more; 0 while it takes bytes.
    package var kernelBytes: UInt32 = 0
    package var reader = FrameReader(role: .server)
    package var outbound = Outbound()
    package var subscriptions = SubscriptionList()
    package var machine = DialectMachine.undecided
    /// Who it is; nil for visitors. Owned.
    package var credentials: Unmanaged<Credentials>?
    package var secret = SessionID.Secret(high: 0, low: 0)
    package var peer = PeerAddress()
    /// Publications it did not get because it did not keep up.
    package var dropped: UInt32 = 0
    /// What few sessions have, or have for a short time. Owned.
    private(set) var extras: Unmanaged<SessionExtras>?
    /// Seconds since the node started.
    package var openedAt: UInt32 = 0
    package var messagesIn: UInt32 = 0
    /// When the message that is incomplete began: seconds since the node started.
    package var incompleteSince: UInt32 = 0
    /// Publications it waits to hear of.
    package var unanswered: UInt32 = 0
    package var publishes = TokenBucket()
    package var controlFrames = TokenBucket()
    package var bytesIn: UInt64 = 0
    package var bytesOut: UInt64 = 0
    /// Made by the first command: most sessions send none. Owned.
    private(set) var commands: UnsafeMutablePointer<CommandState>?
    /// What is spoken with the client.
    @inline(__always)
    package var dialect: Dialect { variant.dialect }
    /// What that is like.
    @inline(__always)
    package var traits: DialectTraits { variant.traits }
    /// Whether it is known to the exchange by its negotiated id: commands find it by that, or applications that call its hub's API.
    var isKnownByID: Bool { traits.isFoundByID || machine.hub != nil }
    /// The next slot in the list of free ones: a free slot has no use for the number it is kept in.
    package var nextFree: UInt32 {
        get { kernelBytes }
        set { kernelBytes = newValue }
    }
}

/// What is kept from one command of a session to the next: how fast they come, by what they cost, and who it is that sends them.
struct CommandState {
    var subscribes = TokenBucket()
    var commands = TokenBucket()
    var logins = TokenBucket()
    /// Commands that were refused for their rate since the last one that was not.
    var refusedInARow: UInt16 = 0
    /// What others are told of it as a publisher, once it has published; nil again when it gets other credentials.
    var publisher: Publication.Extras?
}

extension SessionSlot {
    /// Makes it if there is none.
    mutating func makeCommands() -> UnsafeMutablePointer<CommandState> {
        if let commands { return commands }
        let made = UnsafeMutablePointer<CommandState>.allocate(capacity: 1)
        made.initialize(to: CommandState())
        commands = made
        return made
    }

    mutating func freeCommands() {
        commands?.deinitialize(count: 1)
        commands?.deallocate()
        commands = nil
    }

    /// Makes them if there are none.
    mutating func makeExtras() -> SessionExtras {
        if let extras { return extras.takeUnretainedValue() }
        let made = SessionExtras()
        extras = .passRetained(made)
        return made
    }

    mutating func freeExtras() {
        extras?.release()
        extras = nil
    }
}

/// Who is at the other end, in 20 bytes.
package struct PeerAddress {
    private var high: UInt64 = 0
    private var low: UInt64 = 0
    private var port: UInt16 = 0
    private var family: UInt8 = 0

    package init() {}

    package init(_ address: SocketAddress) {
        switch address {
        case .ipv4(let raw, let port):
            family = 4
            low = UInt64(raw)
            self.port = port
        case .ipv6(let high, let low, let port, _):
            family = 6
            self.high = high
            self.low = low
            self.port = port
        case .unix:
            family = 1
        }
    }

    package var address: SocketAddress? {
        switch family {
        case 4: .ipv4(UInt32(truncatingIfNeeded: low), port: port)
        case 6: .ipv6(high, low, port: port, scope: 0)
        case 1: .unix("")
        default: nil
        }
    }
}
