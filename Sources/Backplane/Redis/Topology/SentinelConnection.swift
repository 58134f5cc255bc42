import Codec
import Reactor

/// One connection to a sentinel, which is asked for the master again and again and comes back for ever.
final class SentinelConnection: ConnectionDelegate {
    let index: Int
    private let address: HostAndPort
    private unowned let owner: SentinelWatch
    private let connection: Connection
    private var reader: RESPReader?
    private var backoff = Backoff()
    private var isStopped = false
    private var attempt: UInt64 = 0
    private enum Question {
        case login, address, master
    }

    /// What is not answered yet.
    private var asked: [Question] = []
    /// The answer to the first question.
    private var named: RESPValue?
    private var askedAt = MonotonicTime(nanoseconds: 0)
    private var failure: String?

    /// How long an answer may take; a line that was cut for a while is found out by this.
    private static let patience: Duration = .seconds(1)
    private static let connectTimeout: Duration = .seconds(2)
    private static let outboundLimit = 64 * 1024

    init(index: Int, address: HostAndPort, owner: SentinelWatch) {
        self.index = index
        self.address = address
        self.owner = owner
        connection = Connection(reactor: owner.home, outboundLimit: Self.outboundLimit)
        connection.delegate = self
    }

    func connect() {
        guard !isStopped else { return }
        attempt += 1
        let current = attempt
        Resolver.resolve(host: address.host, port: address.port, on: owner.home) { [weak self] result in
            guard let self, !self.isStopped, self.attempt == current else { return }
            switch result {
            case .success(let addresses):
                self.connection.connect(
                    to: addresses, deadline: Self.connectTimeout,
                    encryption: self.owner.encryption.map {
                        ConnectionEncryption(context: $0, serverName: self.owner.serverName ?? self.address.host)
                    })
            case .failure(let error): self.lost("\(error)")
            }
        }
    }

    func stop() {
        isStopped = true
        connection.close()
    }

    /// Asks who the master is, or gives a sentinel up that does not answer.
    func ask(now: MonotonicTime) {
        guard connection.isOpen else { return }
        if asked.contains(.master) {
            if now - askedAt > Self.patience { fail("it has not answered for \(Self.patience.components.seconds) s") }
            return
        }
        askedAt = now
        asked += [.address, .master]
        let writer = ByteWriter(capacity: 256)
        // During a failover the second answer still has the old address beside the new epoch; the first one has not.
        RESPWriter.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", owner.configuration.master, to: writer)
        RESPWriter.command("SENTINEL", "MASTER", owner.configuration.master, to: writer)
        connection.write(writer.bytes)
    }

    private func fail(_ reason: String) {
        failure = reason
        connection.close()
    }

    func connected(_ connection: Connection) {
        failure = nil
        asked = []
        reader = RESPReader { [weak self] reply in
            guard let self, self.reader != nil, case .value(let value) = reply else { return }
            self.received(value)
        }
        if let descriptor = connection.descriptor { Socket.setUserTimeout(descriptor, milliseconds: 5000) }
        if let password = owner.configuration.password {
            let writer = ByteWriter(capacity: 128)
            RESPWriter.login(owner.configuration.user, password, to: writer)
            asked.append(.login)
            connection.write(writer.bytes)
        }
        ask(now: .now())
    }

    func received(_ connection: Connection, bytes: UnsafeMutableRawBufferPointer) {
        guard let reader else { return }
        do {
            try reader.feed(UnsafeRawBufferPointer(bytes))
        } catch {
            fail("it sent invalid RESP2: \(error)")
        }
    }

    private func received(_ value: RESPValue) {
        guard !asked.isEmpty else { return fail("it sent a reply that belongs to no command") }
        let question = asked.removeFirst()
        if case .error(let text) = value { return fail(text) }
        switch question {
        case .login: break
        case .address: named = value
        case .master:
            guard let named, let master = SentinelView.master(address: named, state: value) else {
                return fail("its reply about the master '\(owner.configuration.master)' is not valid")
            }
            backoff.reset()
            owner.heard(master, isFailingOver: SentinelView.isFailingOver(state: value), from: index)
        }
    }

    func closed(_ connection: Connection, reason: ConnectionClosed) {
        reader = nil
        guard !isStopped else { return }
        lost(failure ?? "\(reason)")
    }

    private func lost(_ reason: String) {
        owner.failed("sentinel \(address): \(reason)")
        owner.home.schedule(after: backoff.next(after: .unreachable, using: &owner.random)) { [weak self] in
            self?.connect()
        }
    }
}
