import Codec
import Glibc
package import Reactor

/// Thousands of subscribers on one reactor: a slab of small structs, one read buffer, one handler.
///
/// Members can publish too. Confined to its reactor, hence `@unchecked Sendable`.
package final class ClientSwarm: ReactorHandler, TurnWork, @unchecked Sendable {
    package struct Configuration: Sendable {
        /// Members are spread over them in turn.
        package var targets: [Target]
        package var members: Int
        package var dialect = SwarmDialect.raw
        /// The name used in dialects whose URL does not name it.
        package var channel = "bench"
        /// Numbers that members take in turn, for `{}` in a target's path; nil where paths are as they are.
        package var numbers: Range<Int>?
        /// The first member's place among them.
        package var firstNumber = 0
        /// Connects and handshakes under way at the same time; below a listener's backlog.
        package var inFlight = 256
        /// For targets with `wss://`, which cannot be reached without it.
        package var tls: TLSContext?
        /// Permessage-deflate is offered, and a server that does not agree to it is a failure. The raw dialect only.
        package var offersCompression = false
        /// Whether members that a server sends away with "going away" (1001) connect again, each to another target.
        package var returns = false
        /// Whether deliveries are counted over time.
        package var samples = false

        package init(targets: [Target], members: Int) {
            self.targets = targets
            self.members = members
        }
    }

    package struct Status: Sendable {
        package var open = 0
        /// Did not get as far as being open.
        package var failed = 0
        /// Were open and are not any more.
        package var lost = 0
        /// Were told to come back and are on their way, and how many have come.
        package var away = 0
        package var returned = 0
        package var bytesReceived: UInt64 = 0
        package var reads: UInt64 = 0
        /// Messages that came compressed, and how many of them had to be inflated to know what they are.
        package var compressed: UInt64 = 0
        package var inflated: UInt64 = 0
        /// What went wrong first.
        package var firstError: String?
    }

    package let configuration: Configuration
    package internal(set) var status = Status()
    package var ledger = DeliveryLedger(goal: 0)
    /// Called when every member has become open or failed.
    package var settled: (() -> Void)?
    /// Called when a publication has arrived at its goal.
    package var completed: ((UInt32) -> Void)?
    /// The only member whose arrivals are recorded; -1 for all.
    package var observer = -1

    let reactor: Reactor
    let members: UnsafeMutablePointer<SwarmMember>
    private(set) var payload = SequencedPayload(bytes: 0)
    var handler: HandlerID!
    var started = 0
    /// Members that are to connect again.
    var returning: [Int] = []
    /// When deliveries came, since `takeCurve`.
    private var curve = DeliveryCurve()
    var underWay = 0
    var isSettled = false
    private(set) var isClosing = false
    let sources = SourceAddresses()
    let handshake: ClientHandshake
    let requests: [[UInt8]]
    let greeting: [UInt8]?
    /// What proves that a server understood the key.
    let expectedAccept: [UInt8]
    /// There when messages may come compressed.
    let blocks: KnownBlocks?
    /// Of the last message in which exactly one publication was found: its size, and where the publication begins. Most messages of a
    /// run are alike, and need not be searched.
    var usual = (bytes: 0, offset: 0)
    /// What members that publish have still to send.
    var outbound: [Outbound] = []
    /// Where reads go: what a member kept is put before what comes.
    var buffer: UnsafeMutableRawBufferPointer

    /// The largest frame that is taken, in bytes.
    static let frameBytes = 16 * 1024 * 1024 + 14
    static let readBytes = 64 * 1024
    /// The same for all members: a nonce is to defeat caches (RFC 6455 10.3), and there are none between us.
    static let key = "Y2FyaWxsb24tYmVuY2gtMQ=="

    package init(reactor: Reactor, configuration: Configuration) {
        precondition(!configuration.targets.isEmpty && configuration.members > 0)
        precondition(!configuration.offersCompression || configuration.dialect == .raw)
        self.reactor = reactor
        self.configuration = configuration
        members = .allocate(capacity: configuration.members)
        members.initialize(
            repeating: SwarmMember(stream: Stream(descriptor: -1), phase: .closed), count: configuration.members)
        buffer = .allocate(byteCount: 2 * Self.readBytes, alignment: 64)
        let handshake = ClientHandshake(key: Self.key, offersCompression: configuration.offersCompression)
        self.handshake = handshake
        requests = configuration.targets.map { target in
            let writer = ByteWriter()
            handshake.writeRequest(to: target, in: writer)
            return Array(writer.bytes)
        }
        blocks = configuration.offersCompression ? KnownBlocks() : nil
        greeting = configuration.dialect.greeting(channel: configuration.channel).map { text in
            let writer = ByteWriter()
            text.withUnsafeBytes {
                FrameWriter.writeMasked(configuration.dialect.opcode, $0, key: Self.maskingKey, to: writer)
            }
            return Array(writer.bytes)
        }
        expectedAccept = Array(Handshake.accept(for: Self.key).utf8)
        handler = reactor.add(handler: self)
        reactor.add(turnWork: self)
    }

    deinit {
        members.deallocate()
        buffer.deallocate()
    }

    static let maskingKey: UInt32 = 0x5A3C_96E1

    /// Ends a member, whatever it was doing.
    func fail(_ index: Int, _ reason: String) {
        let phase = members[index].phase
        if members[index].descriptor >= 0 { members[index].stream.close() }
        members[index].release()
        members[index].stream = Stream(descriptor: -1)
        members[index].phase = .closed
        if isClosing { return }
        if status.firstError == nil { status.firstError = "member \(index): \(reason)" }
        if phase == .open {
            status.open -= 1
            status.lost += 1
        } else {
            if members[index].moves > 0 {
                status.away -= 1
                status.lost += 1
            } else {
                status.failed += 1
            }
            underWay -= 1
            // Not from inside `pump`, which goes on by itself.
            reactor.post { self.pump() }
        }
    }

    /// Closes everybody at once with a reset, so that no port has to rest.
    package func close() {
        isClosing = true
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        for index in 0..<started where members[index].descriptor >= 0 {
            _ = setsockopt(
                members[index].descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
            fail(index, "closed")
        }
        outbound.removeAll()
    }

    // MARK: A run

    /// From now on arrivals of this payload are counted, beginning with sequence number 0.
    ///
    /// - Parameter goal: Arrivals that make a publication complete.
    package func begin(_ payload: SequencedPayload, goal: Int) {
        self.payload = payload
        blocks?.removeAll()
        usual = (0, 0)
        ledger = DeliveryLedger(goal: UInt32(goal))
        curve = DeliveryCurve()
        for index in 0..<configuration.members { members[index].expected = 0 }
    }

    // MARK: Events

    package func ready(slot: UInt32, generation: UInt32, readiness: Readiness) {
        let index = Int(slot)
        guard members[index].descriptor >= 0 else { return }
        switch members[index].phase {
        case .connecting: return readiness.contains(.writable) ? connected(index) : read(index)
        case .securing: return secure(index)
        case .shaking, .greeting, .open, .closed: break
        }
        if readiness.contains(.writable) { unblock(index) }
        guard members[index].descriptor >= 0 else { return }
        if !readiness.isDisjoint(with: [.readable, .hangup, .error]) {
            read(index)
            if members[index].stream.isEncrypted { unblock(index) }
        }
    }

    package func turn() -> Bool {
        flush()
        if configuration.samples { curve.note(ledger.counts.deliveries) }
        return false
    }

    /// How many deliveries came when, and forgets them.
    package func takeCurve() -> [DeliveryCurve.Sample] { curve.take() }

    package func timerFired(slot: UInt32, generation: UInt32, tag: UInt8) {}

    func watch(_ index: Int, for readiness: Readiness) {
        reactor.change(
            members[index].descriptor, to: readiness, handler: handler, slot: UInt32(index), generation: 0)
    }
}
