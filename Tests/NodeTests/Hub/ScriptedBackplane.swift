import Backplane
import Codec
import Reactor

/// A backplane that does nothing by itself: it remembers what it was asked, and the test says what comes of it.
final class ScriptedBackplane: Backplane, @unchecked Sendable {
    let home: Reactor
    let kind = "scripted"
    var link = LinkState(since: 0)
    var congested = PartitionSet.none
    var nodes: [NodeRecord] = []

    var published: [(publication: Publication, ticket: PublishTicket)] = []
    /// What is to be kept of each of them.
    var kept: [HistorySettings?] = []
    var held: [ChannelName] = []
    var released: [ChannelName] = []
    var occupied: [ChannelName] = []
    var vacated: [ChannelName] = []
    var reads: [(query: HistoryQuery, completion: (Result<HistoryPage, PublishRefusal>) -> Void)] = []
    var present: [(member: PresenceMember, channel: ChannelName)] = []
    var left: [(session: SessionID, channel: ChannelName, isFinal: Bool)] = []
    var quiet: [(member: PresenceMember, channel: ChannelName, settings: PresenceSettings)] = []
    var leftQuietly: [(session: SessionID, channel: ChannelName)] = []
    var presenceQuestions: [(query: PresenceQuery, completion: (Result<PresencePage, PublishRefusal>) -> Void)] = []
    /// Whether other nodes could go on with sessions, and what was asked about their records.
    var keepsSessions = false
    var records: [(request: SessionRecordRequest, completion: (Result<SessionRecordAnswer, PublishRefusal>) -> Void)] =
        []
    var marked: [ChannelName] = []
    /// What it does as soon as something is published, if the test wants it to.
    var onPublish: ((Publication, PublishTicket) -> Void)?

    init(home: Reactor) { self.home = home }

    func start(receiver: any BackplaneReceiver) {}
    func stop(completion: @escaping @Sendable () -> Void) { completion() }

    func publish(_ publication: Publication, history: HistorySettings?, ticket: PublishTicket) {
        published.append((publication, ticket))
        kept.append(history)
        onPublish?(publication, ticket)
    }

    func read(_ query: HistoryQuery, completion: @escaping (Result<HistoryPage, PublishRefusal>) -> Void) {
        reads.append((query, completion))
    }

    func removeHistory(of channel: ChannelName, completion: @escaping (Result<Void, PublishRefusal>) -> Void) {
        completion(.success(()))
    }

    func markLost(
        _ position: Position, in channel: ChannelName, completion: @escaping (Result<Void, PublishRefusal>) -> Void
    ) { completion(.success(())) }

    func record(
        _ request: SessionRecordRequest, of session: SessionID.Secret,
        completion: @escaping (Result<SessionRecordAnswer, PublishRefusal>) -> Void
    ) { records.append((request, completion)) }

    func mark(_ channel: ChannelName) { marked.append(channel) }

    func enter(_ member: PresenceMember, _ channel: ChannelName, _ settings: PresenceSettings) {
        present.append((member, channel))
    }

    func enterQuietly(_ member: PresenceMember, _ channel: ChannelName, _ settings: PresenceSettings) {
        quiet.append((member, channel, settings))
    }

    func leaveQuietly(_ session: SessionID, _ channel: ChannelName) { leftQuietly.append((session, channel)) }

    func use(_ limits: BackplaneLimits) {}

    func leave(_ session: SessionID, _ channel: ChannelName, isFinal: Bool) { left.append((session, channel, isFinal)) }

    func presence(_ query: PresenceQuery, completion: @escaping (Result<PresencePage, PublishRefusal>) -> Void) {
        presenceQuestions.append((query, completion))
    }

    func outbox(
        _ request: OutboxRequest, _ part: OutboxPart, _ limits: OutboxLimits,
        completion: @escaping (Result<OutboxAnswer, PublishRefusal>) -> Void
    ) { completion(.failure(.isolated)) }

    func occupy(_ channel: ChannelName) { occupied.append(channel) }
    func vacate(_ channel: ChannelName) { vacated.append(channel) }
    func addInterest(_ channel: ChannelName) { held.append(channel) }
    func dropInterest(_ channel: ChannelName) { released.append(channel) }
    func ask(_ body: [UInt8], id: UInt64, to nodes: Set<NodeID>) {}
    func answer(_ body: [UInt8], id: UInt64, to node: NodeID) {}

    var keptRevocations: [Revocation] = []
    var revocationReads: [(Result<[Revocation], PublishRefusal>) -> Void] = []
    var forgotten: [Revocation] = []

    func keep(_ revocation: Revocation, limit: Int, completion: @escaping (Result<Bool, PublishRefusal>) -> Void) {
        keptRevocations.append(revocation)
        completion(.success(true))
    }

    func readRevocations(completion: @escaping (Result<[Revocation], PublishRefusal>) -> Void) {
        revocationReads.append(completion)
    }

    func forget(_ revocations: [Revocation]) { forgotten += revocations }

    var groups = UserGroupTable()
    var groupFailure: PublishRefusal?

    func userGroups(
        _ request: UserGroups.Request, of user: UserGroups, completion: @escaping UserGroups.Completion
    ) {
        if let groupFailure { return completion(.failure(groupFailure)) }
        completion(.success(groups.carryOut(request, of: user, now: 0)))
    }
}
