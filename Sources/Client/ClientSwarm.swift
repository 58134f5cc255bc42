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
        /// Connects and handshakes under way at the same time; below a listener's backlog.
        package var inFlight = 256

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
        package var bytesReceived: UInt64 = 0
        package var reads: UInt64 = 0
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
    private var handler: HandlerID!
    private var started = 0
    private var underWay = 0
    private var isSettled = false
    private var isClosing = false
    private let sources = SourceAddresses()
    private let requests: [[UInt8]]
    let greeting: [UInt8]?
    /// What proves that a server understood the key.
    let expectedAccept: [UInt8]
    private var outbound: [Outbound] = []
    /// Where reads go: what a member kept is put before what comes.
    var buffer: UnsafeMutableRawBufferPointer

    private struct Outbound {
        let member: Int
        let bytes = ByteWriter()
        var sent = 0
        var isBlocked = false
    }

    /// The largest frame that is taken, in bytes.
    static let frameBytes = 16 * 1024 * 1024 + 14
    static let readBytes = 64 * 1024
    /// The same for all members: a nonce is to defeat caches (RFC 6455 10.3), and there are none between us.
    static let key = "Y2FyaWxsb24tYmVuY2gtMQ=="

    package init(reactor: Reactor, configuration: Configuration) {
        precondition(!configuration.targets.isEmpty && configuration.members > 0)
        self.reactor = reactor
        self.configuration = configuration
        members = .allocate(capacity: configuration.members)
        members.initialize(
            repeating: SwarmMember(descriptor: -1, phase: .closed), count: configuration.members)
        buffer = .allocate(byteCount: 2 * Self.readBytes, alignment: 64)
        requests = configuration.targets.map { target in
            let writer = ByteWriter()
            Handshake.writeRequest(host: target.authority, target: target.path, key: Self.key, to: writer)
            return Array(writer.bytes)
        }
        greeting = configuration.dialect.greeting(channel: configuration.channel).map { text in
            let writer = ByteWriter()
            text.withUnsafeBytes { FrameWriter.writeMasked(.binary, $0, key: Self.maskingKey, to: writer) }
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

    // MARK: Connecting

    /// Begins to connect everybody; `settled` is called once.
    package func connect() { pump() }

    private func pump() {
        while !isClosing, underWay < configuration.inFlight, started < configuration.members {
            let index = started
            started += 1
            underWay += 1
            begin(index)
        }
        if started == configuration.members, underWay == 0, !isSettled {
            isSettled = true
            settled?()
        }
    }

    private func begin(_ index: Int) {
        let target = configuration.targets[index % configuration.targets.count]
        do {
            guard let address = target.addresses.first else {
                throw SystemError(call: "connect to \(target.authority)", code: EADDRNOTAVAIL)
            }
            let descriptor = try Socket.connect(
                to: address,
                from: sources.source(of: index / configuration.targets.count, to: address))
            members[index] = SwarmMember(descriptor: descriptor, phase: .connecting)
            // On loopback the connection stands already: then waiting for writability would only cost.
            let isSent = try sendRequest(index)
            try reactor.register(
                descriptor, for: isSent ? .readable : .writable, handler: handler, slot: UInt32(index), generation: 0)
        } catch {
            fail(index, "\(error)")
        }
    }

    /// - Returns: False when the connection does not stand yet.
    private func sendRequest(_ index: Int) throws(SystemError) -> Bool {
        let result = requests[index % requests.count].withUnsafeBytes { Socket.send(members[index].descriptor, $0) }
        switch result {
        case .bytes:
            members[index].phase = .shaking
            return true
        case .wouldBlock: return false
        case .failed(let code):
            throw SystemError(call: "connect to \(authority(index))", code: code)
        }
    }

    private func authority(_ index: Int) -> String {
        configuration.targets[index % configuration.targets.count].authority
    }

    private func connected(_ index: Int) {
        do {
            let error = Socket.pendingError(members[index].descriptor)
            guard error == 0 else { throw SystemError(call: "connect to \(authority(index))", code: error) }
            guard try sendRequest(index) else { return }
            reactor.change(
                members[index].descriptor, to: .readable, handler: handler, slot: UInt32(index), generation: 0)
        } catch {
            fail(index, "\(error)")
        }
    }

    func opened(_ index: Int) {
        members[index].phase = .open
        status.open += 1
        underWay -= 1
        pump()
    }

    /// Ends a member, whatever it was doing.
    func fail(_ index: Int, _ reason: String) {
        let phase = members[index].phase
        if members[index].descriptor >= 0 { Socket.close(members[index].descriptor) }
        members[index].release()
        members[index].descriptor = -1
        members[index].phase = .closed
        if isClosing { return }
        if status.firstError == nil { status.firstError = "member \(index): \(reason)" }
        if phase == .open {
            status.open -= 1
            status.lost += 1
        } else {
            status.failed += 1
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
        ledger = DeliveryLedger(goal: UInt32(goal))
        for index in 0..<configuration.members { members[index].expected = 0 }
    }

    /// Publishes from a member; sent at the end of the turn.
    package func publish(_ sequence: UInt32, from member: Int = 0) {
        let place =
            outbound.firstIndex { $0.member == member }
            ?? {
                outbound.append(Outbound(member: member))
                Socket.setNoDelay(members[member].descriptor)
                return outbound.count - 1
            }()
        let message = ByteWriter(capacity: payload.bytes + 64)
        configuration.dialect.write(sequence, of: payload, channel: configuration.channel, to: message)
        FrameWriter.writeMasked(
            configuration.dialect.opcode, message.bytes, key: Self.maskingKey, to: outbound[place].bytes)
    }

    package func turn() -> Bool {
        for place in outbound.indices where outbound[place].bytes.count > 0 && !outbound[place].isBlocked {
            flush(place)
        }
        return false
    }

    private func flush(_ place: Int) {
        let member = outbound[place].member
        let descriptor = members[member].descriptor
        guard descriptor >= 0 else { return }
        let bytes = outbound[place].bytes
        while outbound[place].sent < bytes.count {
            switch Socket.send(descriptor, UnsafeRawBufferPointer(rebasing: bytes.bytes[outbound[place].sent...])) {
            case .bytes(let count):
                outbound[place].sent += count
            case .wouldBlock:
                outbound[place].isBlocked = true
                reactor.change(
                    descriptor, to: [.readable, .writable], handler: handler, slot: UInt32(member), generation: 0)
                return
            case .failed(let code):
                return fail(member, SystemError(call: "send", code: code).description)
            }
        }
        bytes.removeAll()
        outbound[place].sent = 0
    }

    // MARK: Events

    package func ready(slot: UInt32, generation: UInt32, readiness: Readiness) {
        let index = Int(slot)
        guard members[index].descriptor >= 0 else { return }
        if readiness.contains(.writable) {
            if members[index].phase == .connecting { return connected(index) }
            unblock(index)
        }
        if !readiness.isDisjoint(with: [.readable, .hangup, .error]) { read(index) }
    }

    package func timerFired(slot: UInt32, generation: UInt32, tag: UInt8) {}

    private func unblock(_ index: Int) {
        guard let place = outbound.firstIndex(where: { $0.member == index }) else { return }
        outbound[place].isBlocked = false
        reactor.change(
            members[index].descriptor, to: .readable, handler: handler, slot: UInt32(index), generation: 0)
        flush(place)
    }
}
