/// What a cluster is to bear.
package struct Workload: Sendable, Equatable {
    package var sessions: Int
    package var channels = 1
    /// Channels that a session is subscribed to.
    package var subscriptions = 1
    /// Publications a second, in all channels together.
    package var rate = 0.0
    /// Of a publication.
    package var payload = 0
    /// Publications that each channel keeps; 0 without history.
    package var history = 0
    package var isEncrypted = false
    package var isCompressed = false
    /// Sessions that open in a second; nil where a session lasts for half an hour.
    package var connects: Double?
    /// Between two pings of a session, in seconds.
    package var pingInterval = 25.0
    /// How long a publication may take to the last of its subscribers, in seconds. What gathers meanwhile is sent together.
    package var delay = 1.0

    /// How long a session lasts where nothing else is said, in seconds.
    package static let sessionSeconds = 1800.0

    package init(sessions: Int) { self.sessions = sessions }

    var connectsPerSecond: Double { connects ?? Double(sessions) / Self.sessionSeconds }
    /// Subscriptions of all sessions together.
    var allSubscriptions: Double { Double(sessions) * Double(subscriptions) }
    /// Publications a second in one channel.
    var ratePerChannel: Double { rate / Double(channels) }

    /// - Throws: What is wrong, and what would be right.
    package func check() throws(SizingError) {
        try SizingError.check(sessions, in: 1...1_000_000_000, "--sessions")
        try SizingError.check(channels, in: 1...1_000_000_000, "--channels")
        try SizingError.check(subscriptions, in: 1...10_000, "--subscriptions")
        try SizingError.check(history, in: 0...1_000_000, "--history")
        try SizingError.check(payload, in: 0...16_777_216, "--payload")
        guard subscriptions <= channels else {
            throw SizingError(
                "--subscriptions \(subscriptions): a session cannot have more of them than there are channels (--channels \(channels))"
            )
        }
        guard rate >= 0, rate <= 1e9 else {
            throw SizingError("--rate has to be 0 to 1000000000 publications a second")
        }
        guard rate == 0 || payload > 0 else {
            throw SizingError("--rate needs --payload: how many bytes a publication has, for example --payload 128")
        }
        guard rate > 0 || payload == 0 || history > 0 else {
            throw SizingError("--payload needs --rate: how many publications there are a second, for example --rate 10")
        }
        guard history == 0 || payload > 0 else {
            throw SizingError("--history needs --payload: how many bytes a kept publication has")
        }
        if let connects, !(0...1e7).contains(connects) {
            throw SizingError("--connects has to be 0 to 10000000 a second")
        }
        guard (1...3600).contains(pingInterval) else {
            throw SizingError("--ping-interval has to be 1s to 1h, as liveness.ping_interval")
        }
        guard (0.01...60).contains(delay) else { throw SizingError("--delay has to be 10ms to 60s") }
    }
}

/// A machine that runs one node and nothing else of size.
package struct NodeShape: Sendable, Equatable {
    package var cores = 2.0
    package var memory = 4.0 * 1024 * 1024 * 1024
    /// What the system and other programs take of it.
    package var system = 256.0 * 1024 * 1024
    /// What one process may open.
    package var files = 1_048_576
    /// Bits a second in one direction.
    package var network = 1e9
    /// How fast a core is, beside the one that the costs were measured on.
    package var speed = 1.0
    /// Which share of memory, cores, network and Redis may be used.
    package var share = 0.7
    /// Whether the memory is what a container may use: it is charged only a part of what the kernel keeps for connections.
    package var isContainer = false

    package init() {}

    /// Files of a node that are no sessions (`Descriptors.reserved` and what is open).
    static let otherFiles = 100

    /// - Throws: What is wrong, and what would be right.
    package func check() throws(SizingError) {
        guard cores > 0, cores <= 1024 else { throw SizingError("--cores has to be more than 0 and at most 1024") }
        guard memory >= 16 * 1024 * 1024 else { throw SizingError("--memory has to be at least 16MiB") }
        guard system >= 0, system < memory else { throw SizingError("--system-memory has to be less than --memory") }
        guard files > Self.otherFiles else {
            throw SizingError("--files has to be more than \(Self.otherFiles), which a node needs besides its sessions")
        }
        guard network >= 1e6 else { throw SizingError("--network has to be at least 1Mbit") }
        guard speed >= 0.05, speed <= 20 else { throw SizingError("--core-speed has to be 0.05 to 20") }
        guard share > 0.05, share <= 1 else {
            throw SizingError("--use has to be more than 5 and at most 100 per cent")
        }
    }
}

package struct SizingError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }

    static func check(_ value: Int, in range: ClosedRange<Int>, _ name: String) throws(SizingError) {
        if !range.contains(value) {
            throw SizingError("\(name) \(value): it has to be \(range.lowerBound) to \(range.upperBound)")
        }
    }
}
