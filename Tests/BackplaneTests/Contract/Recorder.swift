import Codec
import Reactor

@testable import Backplane

/// What a backplane tells, as it tells it. On its home reactor, but for `until`.
final class Recorder: BackplaneReceiver, @unchecked Sendable {
    enum Event: Equatable, Sendable {
        /// The payload as text, or what became of whom.
        case delivered(String, Position?)
        case held
        case change(PresenceChange, SessionID)
        case occupied, vacated
        /// Who listens to members was told, and not the subscribers.
        case member(PresenceChange, SessionID)
    }

    private let home: Reactor
    private(set) var events: [(channel: ChannelName, event: Event)] = []
    private(set) var outcomes: [UInt64: [PublishOutcome]] = [:]
    /// Waiters in the order in which they were answered.
    private(set) var answeredWaiters: [UInt64] = []
    private(set) var phases: [LinkState.Phase] = []
    private(set) var questions: [NodeQuestion] = []
    private(set) var answers: [(body: [UInt8], id: UInt64, from: NodeID)] = []
    private(set) var nodesGone: [NodeID] = []
    private(set) var losses: [ChannelName] = []
    private(set) var summaries = 0
    var isFollowing = false
    private(set) var said: [String] = []
    private var waiting: [Int: (condition: () -> Bool, resume: (Bool) -> Void)] = [:]
    private var nextWaiter = 0

    init(home: Reactor) { self.home = home }

    func events(of channel: ChannelName) -> [Event] { events.filter { $0.channel == channel }.map(\.event) }

    func payloads(of channel: ChannelName) -> [String] {
        events(of: channel).compactMap { if case .delivered(let text, _) = $0 { text } else { nil } }
    }

    func positions(of channel: ChannelName) -> [Position] {
        events(of: channel).compactMap { if case .delivered(_, let position?) = $0 { position } else { nil } }
    }

    func count(_ event: Event, of channel: ChannelName) -> Int { events(of: channel).count { $0 == event } }

    /// Waits for a condition, which is looked at on the reactor after each thing that is told and after each beat.
    ///
    /// - Returns: Whether it came true within 20 s.
    func until(_ condition: @escaping @Sendable () -> Bool) async -> Bool {
        await withCheckedContinuation { continuation in
            home.post {
                if condition() { return continuation.resume(returning: true) }
                let number = self.nextWaiter
                self.nextWaiter += 1
                let timer = self.home.schedule(after: .seconds(20)) {
                    self.waiting.removeValue(forKey: number)?.resume(false)
                }
                self.waiting[number] = (
                    condition,
                    { isTrue in
                        self.home.cancel(timer)
                        continuation.resume(returning: isTrue)
                    }
                )
            }
        }
    }

    /// Something may have come true.
    func review() {
        for (number, waiter) in waiting where waiter.condition() {
            waiting.removeValue(forKey: number)?.resume(true)
        }
    }

    private func note(_ channel: ChannelName, _ event: Event) {
        events.append((channel, event))
        review()
    }

    func delivered(_ publication: Publication) {
        if let (change, member) = publication.extras?.change {
            return note(publication.channel, .change(change, member.session))
        }
        note(
            publication.channel,
            .delivered(String(decoding: publication.payload, as: UTF8.self), publication.position))
    }

    func interestConfirmed(_ channel: ChannelName) { note(channel, .held) }

    func published(_ ticket: PublishTicket, _ outcome: PublishOutcome) {
        outcomes[ticket.waiter, default: []].append(outcome)
        answeredWaiters.append(ticket.waiter)
        review()
    }

    func linkChanged(_ state: LinkState) {
        if phases.last != state.phase { phases.append(state.phase) }
        review()
    }

    func asked(_ question: NodeQuestion) {
        questions.append(question)
        review()
    }

    func answered(_ body: [UInt8], id: UInt64, from node: NodeID) {
        answers.append((body, id, node))
        review()
    }

    func nodeLeft(_ node: NodeID) {
        nodesGone.append(node)
        review()
    }

    func lossNoted(in channel: ChannelName) {
        losses.append(channel)
        review()
    }

    var tracksPresence: Bool { true }
    func presenceSettings(of channel: ChannelName) -> PresenceSettings? { .init(announces: true, grace: 0) }
    var tracksOccupancy: Bool { true }
    var followsMembers: Bool { isFollowing }

    func occupancyChanged(of channel: ChannelName, isOccupied: Bool, order: UInt64) {
        note(channel, isOccupied ? .occupied : .vacated)
    }

    func memberChanged(_ change: PresenceChange, _ member: PresenceMember, in channel: ChannelName) {
        note(channel, .member(change, member.session))
    }

    func summary() -> [UInt8] {
        summaries += 1
        review()
        return Array(#"{"sessions":3}"#.utf8)
    }

    func happened(_ level: LinkEventLevel, _ message: String) {
        said.append(message)
        review()
    }
}
