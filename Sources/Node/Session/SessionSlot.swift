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
        /// The request was understood; somebody is asked who sends it.
        case judging
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
        package static let dirty = Flags(rawValue: 1)
        /// EPOLLOUT is armed.
        package static let blocked = Flags(rawValue: 2)
        /// The running pass has something that is not for this session.
        package static let excepted = Flags(rawValue: 4)
        /// A ping was sent and nothing has come since.
        package static let pinged = Flags(rawValue: 8)
        /// Our side of the connection was shut down.
        package static let shut = Flags(rawValue: 32)
        /// It exceeded its budget in this slice, and leaves at the slice's end.
        package static let slow = Flags(rawValue: 64)
        /// Anything at all came in since the last ping.
        package static let heard = Flags(rawValue: 128)
        /// Nothing is read, because a channel it publishes to is too far behind.
        package static let paused = Flags(rawValue: 256)
        /// It is not read from while it waits for its channels to be confirmed.
        package static let parked = Flags(rawValue: 512)
        /// It is not read from until what it published too fast is paid for.
        package static let indebted = Flags(rawValue: 1024)
        /// It came in at a port for TLS.
        package static let secure = Flags(rawValue: 16)
        /// The admission counts it, with its address.
        package static let counted = Flags(rawValue: 2048)
        /// The admission counts it as open.
        package static let settled = Flags(rawValue: 4096)
        /// An alarm for an incomplete message is set.
        package static let timed = Flags(rawValue: 8192)

        /// Why a session is not read from.
        package static let unread: Flags = [.paused, .parked, .indebted]
    }

    package var stream = Stream(descriptor: -1)
    package var generation: UInt32 = 0
    package var phase = Phase.free
    package var flags = Flags()
    package var dialect = Dialect.raw
    package var variant = Variant.raw
    package var reader = FrameReader(role: .server)
    package var outbound = Outbound()
    package var subscriptions = SubscriptionList()
    package var centrifuge = CentrifugeMachine()
    /// Who it is; nil for visitors. Owned.
    package var credentials: Unmanaged<Credentials>?
    package var secret = SessionID.Secret(high: 0, low: 0)
    package var peer = PeerAddress()
    /// The request head as far as it came, or frames that came before the session was open.
    package var early: UnsafeMutablePointer<ByteAccumulator>?
    /// Channels that are not confirmed yet.
    package var unconfirmed: UInt16 = 0
    /// Seconds since the node started.
    package var openedAt: UInt32 = 0
    package var messagesIn: UInt32 = 0
    /// When the message that is incomplete began: seconds since the node started.
    package var incompleteSince: UInt32 = 0
    package var publishes = TokenBucket()
    package var subscribes = TokenBucket()
    package var controlFrames = TokenBucket()
    /// Commands that were refused for their rate since the last one that was not.
    package var refusedInARow: UInt16 = 0
    /// Publications it waits to hear of.
    package var unanswered: UInt16 = 0
    /// Publications it did not get because it did not keep up.
    package var dropped: UInt32 = 0
    package var bytesIn: UInt64 = 0
    package var bytesOut: UInt64 = 0
    /// The next slot in the list of free ones.
    package var nextFree: UInt32 = .max
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

/// Bytes gathered over several reads: a growing piece of memory, bounded by whoever appends.
package struct ByteAccumulator {
    package private(set) var start: UnsafeMutableRawPointer
    package private(set) var count = 0
    private var capacity: Int

    package init() {
        capacity = 512
        start = .allocate(byteCount: capacity, alignment: 8)
    }

    package var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: start, count: count) }

    package mutating func append(_ source: UnsafeRawBufferPointer) {
        guard let from = source.baseAddress else { return }
        if capacity - count < source.count {
            capacity = max(capacity * 2, count + source.count)
            let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
            larger.copyMemory(from: start, byteCount: count)
            start.deallocate()
            start = larger
        }
        (start + count).copyMemory(from: from, byteCount: source.count)
        count += source.count
    }

    package func deallocate() { start.deallocate() }
}
