import Codec
import Reactor

/// One master: a connection for commands, one for subscriptions, and the rules by which they count as a link.
///
/// Pure parts decide (`ServerState`, `ServerBeats`, `ServerScripts`, `InterestTable`, `PublishBuffer`, `PublishPacing`,
/// `ReplyQueue`, `SubscriberReplies`, `Backoff`); this class moves bytes between them and the two connections. Where the server
/// is, the topology says (`move`). What is the same for all servers is its owner's: who listens, the nodes, presence.
final class RedisServer: @unchecked Sendable {
    /// Owns its servers, so it outlives them.
    unowned(unsafe) let owner: RedisBackplane
    let home: Reactor
    /// The owner's, at hand for each publication.
    var receiver: (any BackplaneReceiver)?
    var names: RedisNames
    var counts = Counts()
    /// Only `largestMessage` ever changes.
    var configuration: RedisConfiguration
    /// Whose channels live here; the topology says it.
    var partitions = PartitionSet.none
    /// Those of them that came from another server, and of which not everything that is wanted is confirmed here yet.
    var arriving = PartitionSet.none
    /// Those in which the node's own channels are not confirmed yet.
    var joining = PartitionSet.none
    /// A server of a Redis Cluster.
    let isInCluster: Bool
    /// Whether messages stay on the server of their slot (Redis 7.0). A server that cannot do that tells all servers of its cluster.
    var isSharded: Bool
    /// When a partition was refused here, though the topology says that it is here.
    var blockedAt: [Int: MonotonicTime] = [:]
    /// The epoch of the cluster in which the server got its slots.
    var clusterEpoch: UInt64?
    /// Positions that another server acknowledged: they are looked up here.
    var inherited: [ChannelName: Position] = [:]
    /// What others see of its link.
    var link = LinkView()
    /// Where it is; nil as long as nobody knows.
    private(set) var address: ServerAddress?
    private(set) var commands: RedisConnection!
    private(set) var subscriber: RedisConnection!
    var state = ServerState()
    var beats = ServerBeats()
    var scripts = ServerScripts()
    var said = LogThrottle()

    /// Publications that wait for the link.
    var buffer: PublishBuffer
    /// It will be looked for publications that have waited too long.
    var isExpiryScheduled = false
    var pacing = PublishPacing()
    var replies = ReplyQueue()
    /// What publishers were told, in case another server knows nothing of it.
    var acknowledged = AcknowledgedPositions()

    var interest: InterestTable
    var subscriberReplies = SubscriberReplies()
    var asking = Asking.idle
    /// Channels asked for again since the subscriber connected anew.
    var resubscribing = 0
    /// The name of the last channel something came for, so that a burst copies it once.
    var lastChannel: ChannelName?

    let output = ByteWriter(capacity: 64 * 1024)
    let envelope = ByteWriter(capacity: 64 * 1024)

    /// What it counts itself, because that happens for each publication.
    struct Counts {
        var published: UInt64 = 0
        var received: UInt64 = 0
        var bytesIn: UInt64 = 0
        var bytesOut: UInt64 = 0
    }

    /// How its link is doing, as it was said last.
    struct LinkView {
        var isUp = false
        /// It was up once.
        var isKnown = false
        /// When that began, in milliseconds since 1970.
        var since: UInt64 = 0
        /// Why it is not up.
        var reason: String?
        /// How long an own beat took to come back, in microseconds.
        var roundTrip: UInt64?
        /// The last failure that was logged, so that a loop of the same one is one line a minute.
        var lastFailure: (text: String, at: MonotonicTime)?
        /// Times publications waited because the master was being replaced.
        var holds: UInt64 = 0
    }

    /// When channels that are wanted are asked for.
    enum Asking {
        /// As soon as some are wanted.
        case idle
        /// With all that this turn asks for.
        case gathering
        /// In a moment, for Redis is busy.
        case pausing
    }

    /// From here on the link counts as congested: commands without a reply, and bytes the socket has not taken.
    static let congestedReplies = 64 * 1024
    static let congestedBytes = 4 * 1024 * 1024
    /// Bytes that may wait for one connection.
    static let outboundLimit = 64 * 1024 * 1024

    /// - Parameter address: Where it is, if that is known.
    init(owner: RedisBackplane, configuration: RedisConfiguration, address: ServerAddress? = nil) {
        self.owner = owner
        home = owner.home
        names = owner.names
        self.configuration = configuration
        self.address = address
        isInCluster = !configuration.cluster.isEmpty
        isSharded = isInCluster
        interest = InterestTable(isDivided: isInCluster)
        link.since = owner.wallClock()
        buffer = PublishBuffer(wait: configuration.publishWait, maximumBytes: configuration.publishBufferBytes)
    }

    /// More waits to be sent than should.
    var isCongested: Bool {
        state == .holding || replies.count + pacing.count > Self.congestedReplies
            || (commands?.outboundBytes ?? 0) + pacing.bytes > Self.congestedBytes
    }

    /// Where it is, for people.
    var addressText: String {
        guard let sentinel = configuration.sentinel else {
            return address.map { "\($0.endpoint)" } ?? "an unknown place"
        }
        guard let address else { return "an unknown place (master '\(sentinel.master)')" }
        return "\(address.endpoint) (master '\(sentinel.master)')"
    }

    // MARK: Life

    func start() {
        state.started()
        commands = RedisConnection(role: .commands, server: self)
        subscriber = RedisConnection(role: .subscriber, server: self)
        commands.connect()
        subscriber.connect()
    }

    /// It is at another place from now on. Whoever is connected to the old one leaves it at once, for it may go on as if nothing
    /// had happened.
    func move(to next: ServerAddress, _ reason: () -> String) {
        address = next
        guard state.isRunning, commands != nil else { return }
        let reason = reason()
        commands.follow(next, reason)
        subscriber.follow(next, reason)
    }

    /// Says farewell, as far as that can be said, and answers whoever waits. The connections stay for `close`.
    ///
    /// - Parameter lease: How long the node's lease is to last yet, in milliseconds.
    func leave(lease: Int64) {
        if state.takesCommands {
            for waiting in pacing.takeAll() { keep([waiting]) }
            send(.farewell(owner.node), to: beatChannel)
            if hasLease {
                send(.lease) {
                    RESPWriter.command(
                        [Array("PEXPIRE".utf8), names.lease(of: owner.node), Array("\(lease)".utf8)], to: $0)
                }
            }
            commands.flush()
        }
        state.stopped()
        for waiting in pacing.takeAll() + buffer.takeAll() {
            receiver?.published(waiting.ticket, .refused(.isolated))
        }
    }

    func close() {
        commands?.stop()
        subscriber?.stop()
    }

    /// The partition through which the node talks to the others here.
    var homePartition: Int {
        (partitions.subtracting(interest.blocked).partitions.first ?? partitions.partitions.first) ?? 0
    }
    var beatChannel: [UInt8] { names.beat(in: homePartition) }
    /// Whether the node's lease is written here. In a cluster it is in one slot, as each key is.
    var hasLease: Bool { !isInCluster || partitions.contains(RedisNames.partition(of: owner.node)) }

    // MARK: Sending

    @inline(__always)
    func send(_ expected: ReplyQueue.Expected, _ write: (ByteWriter) -> Void) {
        output.removeAll()
        write(output)
        replies.append(expected)
        commands.write(output.bytes)
    }

    func send(_ message: NodeMessage, to channel: [UInt8]) {
        envelope.removeAll()
        message.write(to: envelope)
        send(.nodeMessage) {
            RESPWriter.publish(
                prefix: [], channel: channel, payload: envelope.bytes, isSharded: isSharded, to: $0)
        }
    }

    /// Whether a script can be called.
    func has(_ script: RedisScript) -> Bool { state.takesCommands && scripts.hash(of: script) != nil }

    /// Calls a script; what it answers is presence.
    func run(_ script: RedisScript, _ reply: PresenceReply, keys: [[UInt8]], _ arguments: [[UInt8]]) {
        guard let hash = scripts.hash(of: script) else { return owner.unanswered(reply) }
        send(.presence(reply)) {
            RESPWriter.command(
                [Array("EVALSHA".utf8), hash, Array("\(keys.count)".utf8)] + keys + arguments, to: $0)
        }
    }
}
