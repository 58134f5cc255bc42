import Client
import Codec
import Glibc
import Reactor

/// Publishing only: sessions of the centrifuge dialect that publish to a channel nobody listens to, each with `window`
/// publications unacknowledged. The counterpart of `redis-benchmark -P 64 PUBLISH`.
package enum AcknowledgedScenario {
    package static func run(_ options: BenchOptions, progress: @escaping ProgressHandler) async throws(BenchError)
        -> BenchResult
    {
        let targets = try options.targets()
        let reactor: Reactor
        do {
            reactor = try Reactor(index: 0, name: "publishers")
        } catch {
            throw BenchError(error.description)
        }
        reactor.start()
        let publishers = AcknowledgedPublishers(reactor, targets, options)
        reactor.post { publishers.start() }
        while !publishers.finished.isRaised {
            try? await Task.sleep(for: .milliseconds(50))
            progress(await reactor.perform { publishers.progress })
        }
        let measured = await reactor.perform { publishers.measured }
        await reactor.perform { publishers.close() }
        reactor.stop()
        if let problem = measured.problem { throw BenchError(problem) }

        var result = BenchResult(scenario: "publish")
        result.add("publishers", Double(options.publishers))
        result.add("window", Double(options.window))
        result.add("payload", Double(options.bytes), .bytes)
        result.add("seconds", measured.seconds, .seconds)
        result.add("publications_per_second", Double(measured.acknowledged) / measured.seconds, .perSecond)
        let publications = Double(max(1, measured.acknowledged))
        if measured.usage.nanoseconds > 0 {
            result.add(
                "server_cpu_per_publication", Double(measured.usage.nanoseconds) / 1000 / publications, .microseconds)
            result.add("server_busy", Double(measured.usage.nanoseconds) / 1e9 / measured.seconds)
        }
        result.add("bench_busy", Double(measured.ownUsage.nanoseconds) / 1e9 / measured.seconds)
        return result
    }
}

/// On its reactor, hence `@unchecked Sendable`.
private final class AcknowledgedPublishers: TurnWork, @unchecked Sendable {
    struct Measured: Sendable {
        var acknowledged: UInt64 = 0
        var seconds = 0.0
        var usage = ServerUsage()
        var ownUsage = ServerUsage()
        var problem: String?
    }

    let finished = Flag()
    private(set) var measured = Measured()
    private let reactor: Reactor
    private let options: BenchOptions
    private var connections: [ClientConnection] = []
    /// Publications each may send now.
    private var due: [Int] = []
    private var nextID: [UInt32] = []
    private var acknowledged: UInt64 = 0
    private var connected = 0
    private var began = MonotonicTime.now()
    private var isMeasuring = false
    private var before: (UInt64, ServerUsage, ServerUsage, MonotonicTime) = (0, ServerUsage(), ServerUsage(), .now())
    /// A command without its id, for each channel that is published to. A session publishes to one of them.
    private let tails: [[UInt8]]
    private let writer = ByteWriter()

    /// Commands joined in one message (newline-separated, as the protocol allows).
    private static let commandsPerMessage = 64
    /// A server that does not acknowledge for so long has stopped.
    private static let startSeconds = 15.0

    init(_ reactor: Reactor, _ targets: [Target], _ options: BenchOptions) {
        self.reactor = reactor
        self.options = options
        let text = String(repeating: "x", count: max(0, options.bytes - 2))
        tails = (0..<options.publishedChannels).map { number in
            let channel = options.publishedChannels == 1 ? "" : "-\(number)"
            return Array(
                ",\"publish\":{\"channel\":\"\(options.channel)-unheard\(channel)\",\"data\":\"\(text)\"}}".utf8)
        }
        due = Array(repeating: 0, count: options.publishers)
        nextID = Array(repeating: 2, count: options.publishers)
        reactor.add(turnWork: self)
        connections = (0..<options.publishers).map { index in
            ClientConnection(reactor: reactor, target: targets[index % targets.count]) { [unowned self] event in
                received(index, event)
            }
        }
    }

    var progress: BenchProgress {
        let elapsed = (MonotonicTime.now() - began).seconds
        return BenchProgress(
            phase: isMeasuring ? "measuring" : "warming up",
            fraction: min(1, elapsed / max(0.001, options.warmUpSeconds + options.seconds)),
            detail: "\(acknowledged) acknowledged")
    }

    func start() {
        for connection in connections { connection.open() }
        reactor.schedule(after: .milliseconds(Int(Self.startSeconds * 1000))) { [self] in
            if acknowledged == 0 { end("no publication was acknowledged in \(Int(Self.startSeconds)) s") }
        }
    }

    func close() { for connection in connections { connection.close() } }

    private func end(_ problem: String?) {
        guard !finished.isRaised else { return }
        measured.problem = problem
        finished.raise()
    }

    private func received(_ index: Int, _ event: ClientEvent) {
        switch event {
        case .opened: connections[index].send(text: "{\"id\":1,\"connect\":{}}")
        case .message(_, let bytes): take(index, bytes)
        case .pong: break
        case .closed(let code, let reason): end("publisher \(index) was closed with \(code) \(reason)")
        }
    }

    private func take(_ index: Int, _ bytes: [UInt8]) {
        var replies = 0
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            if line.count == 2 {
                connections[index].send(text: "{}")
            } else if line.starts(with: Self.connectReply) {
                isConnected(index)
            } else if Self.containsError(line) {
                return end("publishing was refused: \(String(decoding: line, as: UTF8.self))")
            } else {
                replies += 1
            }
        }
        acknowledged += UInt64(replies)
        due[index] += replies
    }

    private static let connectReply = Array("{\"id\":1,\"connect\"".utf8)
    private static let errorMember = Array(",\"error\"".utf8)

    /// A reply begins with its id: what follows that says what it is.
    private static func containsError(_ line: ArraySlice<UInt8>) -> Bool {
        guard let comma = line.firstIndex(of: UInt8(ascii: ",")) else { return true }
        return line[comma...].starts(with: errorMember)
    }

    private func isConnected(_ index: Int) {
        connected += 1
        due[index] = options.window
        guard connected == options.publishers else { return }
        began = .now()
        reactor.schedule(after: .milliseconds(Int(options.warmUpSeconds * 1000))) { [self] in
            isMeasuring = true
            before = (acknowledged, .read(options.processes), .ofThisProcess(), .now())
        }
        reactor.schedule(after: .milliseconds(Int((options.warmUpSeconds + options.seconds) * 1000))) { [self] in
            measured.acknowledged = acknowledged - before.0
            measured.usage = .read(options.processes) - before.1
            measured.ownUsage = .ofThisProcess() - before.2
            measured.seconds = (MonotonicTime.now() - before.3).seconds
            end(measured.acknowledged == 0 ? "nothing was acknowledged in the measured time" : nil)
        }
    }

    func turn() -> Bool {
        for index in due.indices where due[index] > 0 {
            while due[index] > 0 { sendSome(index, min(due[index], Self.commandsPerMessage)) }
        }
        return false
    }

    private func sendSome(_ index: Int, _ count: Int) {
        due[index] -= count
        for number in 0..<count {
            if number > 0 { writer.append(UInt8(ascii: "\n")) }
            writer.append("{\"id\":")
            writer.append(decimal: UInt64(nextID[index]))
            nextID[index] = nextID[index] == UInt32(Int32.max) ? 2 : nextID[index] + 1
            writer.append(tails[index % tails.count])
        }
        connections[index].send(.text, writer.bytes)
        writer.removeAll()
    }
}
