import Codec
import Reactor

/// One connection to a server of a Redis Cluster, which is asked for the topology again and again. When it is lost, the next server is
/// asked.
final class ClusterConnection: ConnectionDelegate {
    private unowned let owner: ClusterWatch  // trap-ok: owns its connections, and stops them when it ends
    private let connection: Connection
    private var reader: RESPReader?
    private var backoff = Backoff()
    private var isStopped = false
    private var attempt: UInt64 = 0
    private enum Question {
        case login, info, slots
    }

    /// Whom it asks, or tries to.
    private(set) var address: HostAndPort?
    /// What is not answered yet.
    private var asked: [Question] = []
    private var info: RESPValue?
    private var askedAt = MonotonicTime(nanoseconds: 0)
    private var failure: String?

    /// How long an answer may take; a line that was cut for a while is found out by this.
    private static let patience: Duration = .seconds(1)
    private static let connectTimeout: Duration = .seconds(2)
    private static let outboundLimit = 64 * 1024

    init(owner: ClusterWatch) {
        self.owner = owner
        connection = Connection(reactor: owner.home, outboundLimit: Self.outboundLimit)
        connection.delegate = self
    }

    func connect() {
        guard !isStopped else { return }
        address = nil
        let place = owner.place()
        address = place
        attempt += 1
        let current = attempt
        Resolver.resolve(host: place.host, port: place.port, on: owner.home) { [weak self] result in
            guard let self, !self.isStopped, self.attempt == current else { return }
            switch result {
            case .success(let addresses):
                self.connection.connect(
                    to: addresses, deadline: Self.connectTimeout,
                    encryption: self.owner.encryption.map {
                        ConnectionEncryption(context: $0, serverName: self.owner.configuration.serverName ?? place.host)
                    })
            case .failure(let error): self.lost("\(error)")
            }
        }
    }

    func stop() {
        isStopped = true
        connection.close()
    }

    /// Asks again, unless it was asked less than `interval` ago; gives the server up when it does not answer.
    func ask(now: MonotonicTime, every interval: Duration) {
        guard connection.isOpen else { return }
        if !asked.isEmpty {
            if now - askedAt > Self.patience { fail("it has not answered for \(Self.patience.components.seconds) s") }
            return
        }
        // A timer is never quite punctual.
        if now - askedAt < interval - .milliseconds(10) { return }
        ask(now: now)
    }

    private func ask(now: MonotonicTime) {
        askedAt = now
        asked += [.info, .slots]
        let writer = ByteWriter(capacity: 128)
        RESPWriter.command("CLUSTER", "INFO", to: writer)
        RESPWriter.command("CLUSTER", "SLOTS", to: writer)
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
        guard !asked.isEmpty, let address else { return fail("it sent a reply that belongs to no command") }
        let question = asked.removeFirst()
        if case .error(let text) = value {
            return fail(
                text.contains("cluster support disabled")
                    ? "it is not part of a Redis Cluster (\(text)): use backplane.redis.url for a single server" : text)
        }
        switch question {
        case .login: break
        case .info: info = value
        case .slots:
            guard let info, let report = ClusterReport(info: info, slots: value, asked: address) else {
                return fail("its reply about the slots of the cluster is not valid")
            }
            backoff.reset()
            owner.heard(report)
        }
    }

    func closed(_ connection: Connection, reason: ConnectionClosed) {
        reader = nil
        guard !isStopped else { return }
        lost(failure ?? "\(reason)")
    }

    private func lost(_ reason: String) {
        owner.failed("Redis at \(address.map { "\($0)" } ?? "an unknown place"): \(reason)")
        owner.home.schedule(after: backoff.next(after: .unreachable, using: &owner.random)) { [weak self] in
            self?.connect()
        }
    }
}
