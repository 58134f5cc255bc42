import Glibc
package import Client
import Reactor

/// What can be asked of a scenario, and its bounds.
package struct BenchOptions: Sendable {
    package var urls: [String] = []
    package var sessions = 10_000
    /// Publications outstanding at the same time.
    package var window = 1
    /// Of a payload.
    package var bytes = 128
    package var seconds = 5.0
    /// Not measured, before what is measured.
    package var warmUpSeconds = 1.0
    package var publications = 5
    /// Publications a second of a camera.
    package var rate = 30.0
    package var publishers = 8
    /// Channels that publishers are spread over.
    package var publishedChannels = 1
    /// Channels that sessions are spread over, and with which of them the first session begins; 0 where the URL names one.
    package var channels = 0
    package var firstChannel = 0
    package var dialect = SwarmDialect.raw
    package var channel = "bench"
    package var payload = SequencedPayload.Kind.text
    /// Whether sessions offer permessage-deflate, which the server then has to agree to.
    package var offersCompression = false
    /// Whose CPU and memory are read.
    package var processes: [Int32] = []
    /// Files of Benchmarks/floor/allocations.c in those processes.
    package var allocationFiles: [String] = []
    /// Whether a broadcast is published to every URL, because nothing joins the servers.
    package var publishesToEach = false
    /// Whether targets beyond loopback are allowed.
    package var ownsTarget = false
    /// What starts a worker: this program with these arguments.
    package var workerArguments: [String] = []

    package static let maximumSessions = 1_000_000
    package static let maximumWindow = DeliveryLedger.span / 2
    package static let maximumBytes = 16 * 1024 * 1024
    package static let maximumSeconds = 600.0
    package static let maximumPublications = 10_000
    package static let maximumPublishedChannels = 10_000
    /// Descriptors of this process that are not sessions.
    package static let reservedDescriptors = 100
    /// Without any delivery for so long, a scenario ends and says so.
    package static let stallSeconds = 15.0

    package init() {}

    /// The targets, when everything is within bounds.
    package func targets() throws(BenchError) -> [Target] {
        guard !urls.isEmpty else { throw BenchError("no target: give at least one --url ws://127.0.0.1:PORT/path") }
        guard (1...Self.maximumSessions).contains(sessions) else {
            throw BenchError("--sessions has to be 1 to \(Self.maximumSessions)")
        }
        guard (1...Self.maximumWindow).contains(window) else {
            throw BenchError("--window has to be 1 to \(Self.maximumWindow)")
        }
        guard (payload.leastBytes...Self.maximumBytes).contains(bytes) else {
            throw BenchError(
                "--bytes has to be \(payload.leastBytes) to \(Self.maximumBytes) for --payload \(payload.rawValue)")
        }
        guard !offersCompression || dialect == .raw else {
            throw BenchError("--permessage-deflate is measured with --dialect raw only")
        }
        guard seconds > 0, seconds <= Self.maximumSeconds, warmUpSeconds >= 0, warmUpSeconds <= Self.maximumSeconds
        else { throw BenchError("--seconds and --warm-up have to be at most \(Int(Self.maximumSeconds))") }
        guard (1...Self.maximumPublications).contains(publications), (1...1000).contains(publishers) else {
            throw BenchError("--publications has to be 1 to \(Self.maximumPublications), --publishers 1 to 1000")
        }
        guard (1...Self.maximumPublishedChannels).contains(publishedChannels) else {
            throw BenchError("--publish-channels has to be 1 to \(Self.maximumPublishedChannels)")
        }
        guard (0...Self.maximumSessions).contains(channels), (0...Self.maximumSessions).contains(firstChannel) else {
            throw BenchError("--channels and --first have to be 0 to \(Self.maximumSessions)")
        }
        guard channels == 0 || urls.allSatisfy({ $0.contains("{}") }) else {
            throw BenchError(
                "--channels needs {} in the URL, in the place of a channel's number: /raw?channel=bench-{}")
        }
        guard channel.utf8.count <= 255, channel.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw BenchError("--channel has to be printable ASCII without spaces")
        }
        var targets: [Target] = []
        for url in urls {
            do {
                targets.append(try Target(parsing: url))
            } catch {
                throw BenchError(error.description)
            }
        }
        if let far = targets.first(where: { !$0.isLoopback }), !ownsTarget {
            throw BenchError(
                "\(far.authority) is not on this machine. A bench is a flood of connections and messages: only ever send "
                    + "it to what is yours, and then say so with --i-own-this-target")
        }
        return targets
    }

    /// The targets, when this process can also open all the sessions.
    package func targetsWithinFileLimit() throws(BenchError) -> [Target] {
        let targets = try targets()
        let limit = Descriptors.raiseLimit().now
        guard sessions + Self.reservedDescriptors <= limit else {
            throw BenchError(
                "one process may open \(limit) files here: --sessions has to be at most "
                    + "\(max(0, limit - Self.reservedDescriptors)); `broadcast` uses several processes")
        }
        return targets
    }
}

/// Why a scenario could not be measured.
package struct BenchError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

extension BenchOptions {
    /// A swarm of these options' sessions. Certificates are not checked: what is measured is known, and nothing that is
    /// sent is secret.
    func swarm(_ targets: [Target], members: Int) throws(BenchError) -> ClientSwarm.Configuration {
        var configuration = ClientSwarm.Configuration(targets: targets, members: members)
        configuration.dialect = dialect
        configuration.channel = channel
        configuration.offersCompression = offersCompression
        if channels > 0 {
            configuration.numbers = 0..<channels
            configuration.firstNumber = firstChannel
        }
        guard targets.contains(where: \.isEncrypted) else { return configuration }
        do {
            configuration.tls = try TLSContext(TLSClientConfiguration(verification: .none))
        } catch {
            throw BenchError(error.description)
        }
        return configuration
    }

    /// - Returns: Whether there is a payload of that name.
    package mutating func use(payload name: String) -> Bool {
        guard let kind = SequencedPayload.Kind(rawValue: name) else { return false }
        payload = kind
        return true
    }

    /// The names of dialects, for people.
    package static var dialects: String { SwarmDialect.names }

    /// - Returns: Whether there is a dialect of that name.
    package mutating func use(dialect name: String) -> Bool {
        guard let dialect = SwarmDialect(rawValue: name) else { return false }
        self.dialect = dialect
        return true
    }
}
