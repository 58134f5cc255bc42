package import Codec

/// What the replies of the command connection will be about, in order: Redis answers in the order it was asked.
package struct ReplyQueue {
    package enum Expected {
        case publish(PublishTicket)
        /// A plain one with all that is needed to send it again, because its slot may be at another server.
        case plain(PublishBuffer.Waiting)
        /// Publications to one channel that are kept, with all that is needed to send them again.
        case keep([PublishBuffer.Waiting])
        case read(HistoryQuery, (Result<HistoryPage, PublishRefusal>) -> Void)
        case markLost((Result<Void, PublishRefusal>) -> Void)
        case removal((Result<Void, PublishRefusal>) -> Void)
        case script(RedisScript)
        case presence(PresenceReply)
        case revocation(RevocationReply)
        case userGroups(UserGroupCall)
        case outbox(OutboxCall)
        /// Since when a server of a cluster has what it has.
        case clusterInfo
        case session(SessionRecordCall)
        case markAge((Result<Int64?, PublishRefusal>) -> Void)
        case identity
        case authenticated
        case selected
        case named
        case role
        /// Which layout the cluster has, and whether it could be stored.
        case layout
        case layoutStored(RedisLayout)
        /// Which servers the nodes use, where there are several.
        case shards
        /// A script whose answer is one caller's business alone; nil when the connection is gone.
        case call(RedisScript, (RESPValue?) -> Void)
        /// How many heard a beat.
        case count
        case lease
        case beat
        case pong
        /// An answer whose failure costs nobody anything here.
        case nodeMessage

        /// The script it is the answer of.
        package var calls: RedisScript? {
            switch self {
            case .keep: .publish
            case .read: .read
            case .markLost: .markLost
            case .presence(let reply): reply.calls
            case .revocation(let reply): reply.calls
            case .userGroups(let call): call.calls
            case .outbox(let call): call.script
            case .session: .session
            case .call(let script, _): script
            default: nil
            }
        }
    }

    /// Most commands are publications, whose tickets need no count of references: they wait apart from the others.
    private var tickets = Fifo<PublishTicket>(keeping: kept)
    /// The other commands, and the numbers of their replies.
    private var others = Fifo<Expected>(keeping: kept)
    private var numbers = Fifo<UInt64>(keeping: kept)
    /// How many replies have been expected, and had, since the beginning: each reply has a number.
    package private(set) var appended: UInt64 = 0
    package private(set) var answered: UInt64 = 0
    /// Numbers of commands that had been sent before.
    private var repeats: Set<UInt64> = []
    /// Whether the command of the last reply had been sent before.
    package private(set) var wasRepeat = false

    /// Room for so many is kept from turn to turn.
    private static var kept: Int { 64 * 1024 }

    package init() {}

    package var count: Int { tickets.count + others.count }

    package mutating func append(_ expected: Expected) {
        if case .publish(let ticket) = expected { return appendPublish(ticket) }
        appended &+= 1
        others.append(expected)
        numbers.append(appended)
    }

    @inline(__always)
    package mutating func appendPublish(_ ticket: PublishTicket) {
        appended &+= 1
        tickets.append(ticket)
    }

    /// The command that was sent last had been sent before.
    package mutating func markRepeat() { repeats.insert(appended) }

    /// What the next reply is about, if that is a plain publication.
    @inline(__always)
    package mutating func nextPublish() -> PublishTicket? {
        guard numbers.first != answered &+ 1, let ticket = tickets.next() else { return nil }
        answered &+= 1
        wasRepeat = !repeats.isEmpty && repeats.remove(answered) != nil
        return ticket
    }

    package mutating func next() -> Expected? {
        if let ticket = nextPublish() { return .publish(ticket) }
        guard let other = others.next() else { return nil }
        _ = numbers.next()
        answered &+= 1
        wasRepeat = !repeats.isEmpty && repeats.remove(answered) != nil
        return other
    }

    /// The connection is gone.
    ///
    /// - Returns: What will never be answered, in the order in which it was sent.
    package mutating func takeAll() -> [Expected] {
        var all: [Expected] = []
        all.reserveCapacity(count)
        while let expected = next() { all.append(expected) }
        repeats = []
        wasRepeat = false
        return all
    }
}
