package import Codec
package import Reactor

/// What joins the nodes.
///
/// A backplane lives on one reactor, its home: every method is called there, and it calls its receiver there. It keeps
/// these promises:
///
/// - **Order.** Publications of one channel are delivered in one order, the same on every node.
/// - **Interest.** Everything published after `held` was said for a channel is delivered until `release`, unless the
///   link breaks in between: then `linkChanged` says so, and again when deliveries are complete anew.
/// - **Honest acknowledgement.** `accepted` means that the joining medium took the publication; `refused` that it did
///   not, or that nobody knows, and says which. Without history a publication is delivered at most once.
/// - **Bounded waiting.** Each publish is answered, at the latest when the waiting time of an isolated node is over.
///
/// - **One position, one payload.** With history, a position (epoch, offset) names one publication, on every node and for
///   ever; what follows a position is read without a hole, or it is said that it cannot be.
///
/// - **Presence within the lease.** Who is present here is known to every node; who was on a node that died is gone when
///   its lease is over, and that is said once.
///
/// - **Revocations are kept.** What `keep` has taken every node reads, as long as the medium keeps its data.
///
/// - **Occupancy within the lease.** That a channel has its first subscriber on any node, or lost its last one, is said on one
///   node. Where an answer was lost it may be said twice; where the node dies before it says it, it is not said.
package protocol Backplane: AnyObject, Sendable {
    var home: Reactor { get }
    /// `memory` or `redis`.
    var kind: String { get }
    var link: LinkState { get }
    /// Of these channels more waits to be sent than should: publishers that can wait had better do so. Publishing is still possible.
    var congested: PartitionSet { get }
    /// The nodes of the cluster that are alive, this one included.
    var nodes: [NodeRecord] { get }

    /// Begins; the receiver is held weakly.
    func start(receiver: any BackplaneReceiver)
    /// Says farewell to the other nodes and ends; `completion` is called when the farewell is sent, or cannot be.
    func stop(completion: @escaping @Sendable () -> Void)

    /// Publishes; answered through `published` with the same ticket. A `$connection:` channel goes to the node its
    /// session is on, `$all` to every node.
    ///
    /// - Parameter history: What is kept of the channel; nil keeps nothing.
    func publish(_ publication: Publication, history: HistorySettings?, ticket: PublishTicket)

    /// Reads a part of a channel's history; `completion` is called once, on the home reactor.
    func read(_ query: HistoryQuery, completion: @escaping (Result<HistoryPage, PublishRefusal>) -> Void)

    /// Removes what is kept of a channel. Its positions go on: whoever comes with an earlier one than the last is told that
    /// what followed is not kept, as when it was too old. What nodes have at hand is theirs to forget; `completion` is called once,
    /// on the home reactor.
    func removeHistory(of channel: ChannelName, completion: @escaping (Result<Void, PublishRefusal>) -> Void)

    /// A position was delivered or acknowledged, and history knows that it went on without it. That is noted there, so that
    /// everybody who relies on what came before is told of a loss, whether they ever saw what was lost or not, and whenever
    /// they come; `completion` is called once, on the home reactor.
    func markLost(
        _ position: Position, in channel: ChannelName, completion: @escaping (Result<Void, PublishRefusal>) -> Void)

    /// A session of this node is present in a channel; again is the same as once.
    func enter(_ member: PresenceMember, _ channel: ChannelName, _ settings: PresenceSettings)
    /// It is not any more. Unless that is final, it counts as present for the channel's grace: it may be back.
    func leave(_ session: SessionID, _ channel: ChannelName, isFinal: Bool)
    /// A session that was subscribed when its channel got presence is present; no subscriber is told that it came. Again is the same as
    /// once, and the channel's settings are these from now on.
    func enterQuietly(_ member: PresenceMember, _ channel: ChannelName, _ settings: PresenceSettings)
    /// It is not any more, because its channel has no presence any more. No subscriber is told that it has gone.
    func leaveQuietly(_ session: SessionID, _ channel: ChannelName)
    /// Who is present, on all nodes; `completion` is called once, on the home reactor.
    func presence(_ query: PresenceQuery, completion: @escaping (Result<PresencePage, PublishRefusal>) -> Void)

    /// This node has subscribers of a channel of which the cluster is to know whether anybody has any; again is the same as once.
    func occupy(_ channel: ChannelName)
    /// It has none any more. The others are told a little later, in case it soon has some again.
    func vacate(_ channel: ChannelName)

    /// Does something with a queue of events for an application, in one step that is whole or did not happen. After `unknown`, nobody
    /// knows which; `completion` is called once, on the home reactor.
    func outbox(
        _ request: OutboxRequest, _ part: OutboxPart, _ limits: OutboxLimits,
        completion: @escaping (Result<OutboxAnswer, PublishRefusal>) -> Void)

    /// Does something with the groups that an application has added a user to; `completion` is called once, on the home reactor.
    func userGroups(
        _ request: UserGroups.Request, of user: UserGroups, completion: @escaping UserGroups.Completion)

    /// This node wants what is published on a channel; answered by `held`, once.
    func addInterest(_ channel: ChannelName)
    /// It does not any more. The medium may be told a little later, in case it soon wants it again.
    func dropInterest(_ channel: ChannelName)

    /// Puts a question to these nodes, this one among them or not; what they say comes through `answered`.
    ///
    /// - Parameter id: Who knows it can answer, so it is told to those who are asked and to nobody else.
    func ask(_ body: [UInt8], id: UInt64, to nodes: Set<NodeID>)
    func answer(_ body: [UInt8], id: UInt64, to node: NodeID)

    /// Keeps a revocation for all nodes, those of later too, until it has expired; again is the same as once. `completion` is called once,
    /// on the home reactor, with whether there was room for it.
    ///
    /// - Parameter limit: How many revocations may be kept.
    func keep(_ revocation: Revocation, limit: Int, completion: @escaping (Result<Bool, PublishRefusal>) -> Void)
    /// All revocations that are kept; `completion` is called once, on the home reactor.
    func readRevocations(completion: @escaping (Result<[Revocation], PublishRefusal>) -> Void)
    /// Revocations, as they were read, that have expired need not be kept any more.
    func forget(_ revocations: [Revocation])

    /// Takes other limits, from now on.
    func use(_ limits: BackplaneLimits)

    /// Whether records of sessions outlive this node.
    var keepsSessions: Bool { get }
    /// Does something with the record of a session; `completion` is called once, on the home reactor. After a failure, nobody knows whether
    /// it was done. Requests about one session are carried out in their order.
    func record(
        _ request: SessionRecordRequest, of session: SessionID.Secret,
        completion: @escaping (Result<SessionRecordAnswer, PublishRefusal>) -> Void)
    /// Notes that something is published in a channel now that no history has; before it is published.
    func mark(_ channel: ChannelName)
    /// How long ago that was noted last, in milliseconds, nil for never or too long ago; `completion` is called once, on the home reactor.
    func markAge(of channel: ChannelName, completion: @escaping (Result<Int64?, PublishRefusal>) -> Void)
}

/// Of backplanes without other nodes, which could go on with a session.
extension Backplane {
    package var keepsSessions: Bool { false }

    package func record(
        _ request: SessionRecordRequest, of session: SessionID.Secret,
        completion: @escaping (Result<SessionRecordAnswer, PublishRefusal>) -> Void
    ) { completion(.success(.nothing)) }

    package func mark(_ channel: ChannelName) {}

    package func markAge(of channel: ChannelName, completion: @escaping (Result<Int64?, PublishRefusal>) -> Void) {
        completion(.success(nil))
    }
}

/// Limits of a backplane that a reload may change.
package struct BackplaneLimits: Equatable, Sendable {
    /// How many sessions may have gone and still be present, in case they come back.
    package var presenceLeaving: Int
    /// The largest payload that anybody may publish, in bytes.
    package var largestMessage: Int
    /// Whether nodes want to know when something is sent to users, to connections or to everybody (`Backplane.mark`).
    package var marksReserved: Bool

    package init(presenceLeaving: Int, largestMessage: Int, marksReserved: Bool = false) {
        self.presenceLeaving = presenceLeaving
        self.largestMessage = largestMessage
        self.marksReserved = marksReserved
    }
}

/// Whom a backplane tells; always on its home reactor.
package protocol BackplaneReceiver: AnyObject {
    func delivered(_ publication: Publication)
    func interestConfirmed(_ channel: ChannelName)
    func published(_ ticket: PublishTicket, _ outcome: PublishOutcome)
    func linkChanged(_ state: LinkState)
    func asked(_ question: NodeQuestion)
    func answered(_ body: [UInt8], id: UInt64, from node: NodeID)
    func nodeLeft(_ node: NodeID)
    /// A loss was noted in the channel's history.
    func lossNoted(in channel: ChannelName)
    /// Whether any channel has presence.
    var tracksPresence: Bool { get }
    /// How a channel has presence, by its rule; nil when it has none.
    func presenceSettings(of channel: ChannelName) -> PresenceSettings?
    /// Whether any channel's occupancy is to be known.
    var tracksOccupancy: Bool { get }
    /// A channel has its first subscriber on any node, or lost its last one.
    ///
    /// - Parameter order: Greater than with each earlier change of this channel, whichever node said it.
    func occupancyChanged(of channel: ChannelName, isOccupied: Bool, order: UInt64)
    /// Whether somebody on this node listens to who comes and goes.
    var followsMembers: Bool { get }
    /// A member came to a channel or is gone from it, on any node; said to the one that found out. Only while it listens.
    func memberChanged(_ change: PresenceChange, _ member: PresenceMember, in channel: ChannelName)
    /// What this node says of itself in its next beat, as JSON. Asked once a second.
    func summary() -> [UInt8]
    /// Something an operator wants to know; once per event, never per message.
    func happened(_ level: LinkEventLevel, _ message: String)
}

package enum LinkEventLevel: String, Sendable {
    case info, warning, error
}

/// Who waits for the outcome of a publish: a session's command, or a numbered waiter of the control plane.
package struct PublishTicket: Equatable, Sendable {
    package let reactor: UInt8
    package let slot: UInt32
    package let generation: UInt32
    package let command: UInt32
    /// 0 when a session waits.
    package let waiter: UInt64

    package init(reactor: UInt8, slot: UInt32, generation: UInt32, command: UInt32) {
        self.reactor = reactor
        self.slot = slot
        self.generation = generation
        self.command = command
        waiter = 0
    }

    private init(waiter: UInt64) {
        reactor = 0
        slot = 0
        generation = 0
        command = 0
        self.waiter = waiter
    }

    package static func waiter(_ number: UInt64) -> PublishTicket { PublishTicket(waiter: number) }
}

package enum PublishOutcome: Equatable, Sendable {
    /// The medium has it; with history, where.
    case accepted(Position?)
    case refused(PublishRefusal)
}

/// Why a publication was not taken. All of them are temporary.
package enum PublishRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    /// The node had no link for as long as a publication may wait.
    case isolated
    /// Too much waits for the link already.
    case bufferFull
    /// The link broke before the answer came: it may have been published or not.
    case unknown
    /// What the medium said.
    case medium(String)

    package var description: String {
        switch self {
        case .isolated: "the node is isolated from the others, try again"
        case .bufferFull: "the node is isolated and its publish buffer is full, try again"
        case .unknown: "the link broke before the answer came, so the publication may or may not have been delivered"
        case .medium(let text): "the backplane refused it: \(text)"
        }
    }
}

/// How a node's link is doing.
package struct LinkState: Equatable, Sendable {
    package enum Phase: String, Sendable {
        /// Not linked yet.
        case starting
        case linked
        /// Linked through some of its servers: the channels of the others are cut off.
        case degraded
        /// It was linked, and is not now.
        case isolated
    }

    package var phase = Phase.starting
    /// The channels that other nodes hear, and are heard in.
    package var linked = PartitionSet.none
    /// Whether clients are welcome: where several servers join the nodes, the operator says how many of them have to work.
    package var isReady = false
    /// The servers that join the nodes; none with the memory backplane.
    package var servers: [ServerLink] = []
    /// When the phase began, in milliseconds since 1970.
    package var since: UInt64
    /// Why it is not linked.
    package var reason: String?
    /// How long an own beat took to come back, in microseconds.
    package var roundTrip: UInt64?
    /// When the last own beat came back.
    package var lastBeat: MonotonicTime?
    /// Whether the node is linked, if only through some of its servers.
    package var isUp: Bool { phase == .linked || phase == .degraded }
    package var reconnects: UInt64 = 0
    /// Channels subscribed again after reconnects.
    package var resubscribed: UInt64 = 0
    package var published: UInt64 = 0
    package var refused: UInt64 = 0
    package var received: UInt64 = 0
    /// What came over the link and was no envelope.
    package var badMessages: UInt64 = 0
    package var bytesIn: UInt64 = 0
    package var bytesOut: UInt64 = 0
    /// Publications that wait for the link.
    package var waiting = 0
    /// Channels this node holds.
    package var channels = 0
    /// Where Redis is; nil without it.
    package var server: String?
    /// Members of nodes that died, which this node announced as gone.
    package var presenceReaped: UInt64 = 0
    /// Channels of which this node keeps history in its own memory; 0 with Redis, which keeps them.
    package var historyChannels = 0
    /// Sessions that left presence without their grace, because too many were leaving.
    package var presenceCutShort: UInt64 = 0
    /// Changes of presence that the others have not been told yet.
    package var presenceWaiting = 0
    /// Questions about presence that were refused, because too many waited.
    package var presenceRefused: UInt64 = 0
    /// Losses this node noted in history.
    package var lossesNoted: UInt64 = 0
    /// Channels whose last acknowledged position is not remembered any more.
    package var acknowledgementsForgotten: UInt64 = 0
    /// Subscriptions to channels that Redis did not allow.
    package var subscriptionsRefused: UInt64 = 0
    /// Channels whose occupancy this node tells the others.
    package var occupiedChannels = 0
    /// Channels of nodes that died, which this node cleared away.
    package var occupancyReaped: UInt64 = 0
    /// Memberships of users in groups that were given up because a user had too many.
    package var groupsGivenUp: UInt64 = 0
    /// Times publications waited because the master was being replaced.
    package var failoverWaits: UInt64 = 0
    /// Times publications of a partition waited because it was moved to another server of the cluster.
    package var slotWaits: UInt64 = 0
    /// How far a change of the servers has come that join the nodes, or what it waits for; nil without one.
    package var change: String?
    /// Partitions that are to move in it yet.
    package var partitionsToMove = 0

    package init(since: UInt64) { self.since = since }
}

/// How the link through one server is doing.
package struct ServerLink: Equatable, Sendable {
    /// What it is called in the configuration, or where it is.
    package let name: String
    package let isUp: Bool
    /// When that began, in milliseconds since 1970.
    package let since: UInt64
    /// Why it is not up.
    package let reason: String?
    /// How long an own beat took to come back, in microseconds.
    package let roundTrip: UInt64?
    /// Partitions whose channels live on it, of `RedisPartition.count`.
    package let partitions: Int
}

/// A node as the others know it.
package struct NodeRecord: Equatable, Sendable {
    package let id: NodeID
    package var name: String
    /// What it said of itself last, as JSON.
    package var summary: [UInt8]
    package var lastSeen: MonotonicTime
    package let isSelf: Bool
}
