import Codec
import Reactor

/// The bare round trip: `PUBLISH` on one connection until the message arrives on another one, one at a time. What any
/// backplane on this Redis costs at least.
package enum RedisScenario {
    package static func run(
        redis: String, _ options: BenchOptions, progress: @escaping ProgressHandler
    ) async throws(BenchError) -> BenchResult {
        let address: SocketAddress
        do {
            address = try SocketAddress(parsing: redis)
        } catch {
            throw BenchError(error.description)
        }
        guard address.isLoopback || options.ownsTarget else {
            throw BenchError("\(redis) is not on this machine: say that it is yours with --i-own-this-target")
        }
        let reactor: Reactor
        do {
            reactor = try Reactor(index: 0, name: "redis")
        } catch {
            throw BenchError(error.description)
        }
        reactor.start()
        let trip = RedisRoundTrip(reactor: reactor, options)
        reactor.post { trip.start(address) }
        while !trip.finished.isRaised {
            try? await Task.sleep(for: .milliseconds(50))
            let (phase, fraction, count) = await reactor.perform { trip.progress }
            progress(BenchProgress(phase: phase, fraction: fraction, detail: things(count, "round trip")))
        }
        let (times, problem) = await reactor.perform { (trip.times, trip.problem) }
        reactor.stop()
        if let problem { throw BenchError("Redis at \(redis): \(problem)") }
        var result = BenchResult(scenario: "redis")
        result.add("round_trips", Double(times.count))
        result.add("round_trip", times)
        return result
    }
}

/// On its reactor, hence `@unchecked Sendable`.
private final class RedisRoundTrip: ConnectionDelegate, @unchecked Sendable {
    let finished = Flag()
    private(set) var times = Distribution()
    private(set) var problem: String?
    private let reactor: Reactor
    private let options: BenchOptions
    private let commands: Connection
    private let subscriber: Connection
    private var reader: RESPReader!
    private let command = ByteWriter()
    private let payload: [UInt8]
    private let channel: [UInt8]
    private var sentAt = MonotonicTime.now()
    private var began = MonotonicTime.now()

    init(reactor: Reactor, _ options: BenchOptions) {
        self.reactor = reactor
        self.options = options
        payload = [UInt8](repeating: UInt8(ascii: "x"), count: options.bytes)
        channel = Array("carillon-bench-\(UInt32.random(in: 0...UInt32.max))".utf8)
        commands = Connection(reactor: reactor, outboundLimit: 1 << 20)
        subscriber = Connection(reactor: reactor, outboundLimit: 1 << 20)
        commands.delegate = self
        subscriber.delegate = self
        reader = RESPReader { [unowned self] reply in
            switch reply {
            case .message: arrived()
            case .value(.error(let text)): end(text)
            case .value: beginPublishing()
            }
        }
    }

    var progress: (String, Double, UInt64) {
        let elapsed = (MonotonicTime.now() - began).seconds
        return elapsed < options.warmUpSeconds
            ? ("warming up", elapsed / options.warmUpSeconds, times.count)
            : ("measuring", min(1, (elapsed - options.warmUpSeconds) / options.seconds), times.count)
    }

    func start(_ address: SocketAddress) {
        RESPWriter.begin(3, to: command)
        RESPWriter.argument("PUBLISH", to: command)
        RESPWriter.argument(channel, to: command)
        RESPWriter.argument(payload, to: command)
        reactor.schedule(after: .seconds(Int(options.warmUpSeconds + options.seconds) + 15)) { [self] in
            end("no answer in time")
        }
        commands.connect(to: [address], deadline: .seconds(5))
        subscriber.connect(to: [address], deadline: .seconds(5))
    }

    private func beginPublishing() {
        began = .now()
        publish()
    }

    private func publish() {
        sentAt = .now()
        commands.write(command.bytes)
        commands.flush()
    }

    private func arrived() {
        let now = MonotonicTime.now()
        let elapsed = (now - began).seconds
        if elapsed >= options.warmUpSeconds { times.record((now - sentAt).wholeNanoseconds) }
        elapsed < options.warmUpSeconds + options.seconds ? publish() : end(nil)
    }

    private func end(_ reason: String?) {
        guard !finished.isRaised else { return }
        problem = reason
        finished.raise()
        commands.close()
        subscriber.close()
    }

    func connected(_ connection: Connection) {
        guard connection === subscriber else { return }
        let subscribe = ByteWriter()
        RESPWriter.begin(2, to: subscribe)
        RESPWriter.argument("SUBSCRIBE", to: subscribe)
        RESPWriter.argument(channel, to: subscribe)
        subscriber.write(subscribe.bytes)
    }

    func received(_ connection: Connection, bytes: UnsafeMutableRawBufferPointer) {
        if connection === commands {
            if bytes.first == UInt8(ascii: "-") { end(String(decoding: bytes, as: UTF8.self)) }
            return
        }
        do {
            try reader.feed(UnsafeRawBufferPointer(bytes))
        } catch {
            end(error.description)
        }
    }

    func closed(_ connection: Connection, reason: ConnectionClosed) { end(reason.description) }
}
