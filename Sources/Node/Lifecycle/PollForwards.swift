import Backplane
import Codec
import Reactor

/// Brings requests for sessions of other nodes there, and their answers back. On the home reactor.
///
/// A node that has a session says so at once (`held`), and answers when there is something. Each answer with messages is acknowledged,
/// so a node knows of each whether a client has it.
final class PollForwards: @unchecked Sendable {
    private let exchange: Exchange
    private let backplane: any Backplane
    private var asking = PollAsking()
    private var random = SystemRandomNumberGenerator()
    private var isSweeping = false
    private var isLinked = false
    /// How long a request may wait for messages.
    var timeout = PollLimits().timeout

    /// Nodes say within this time whether they have a session.
    private static let claimTime: Duration = .milliseconds(700)
    /// A node of which nothing was heard for so long does not answer what it has taken.
    private static let silence: Duration = .seconds(3)
    /// How long a request may wait for the link.
    private static let patience: Duration = .seconds(5)
    private static let step: Duration = .milliseconds(250)
    /// Beyond the time at which the other node answers, whatever comes.
    private static let margin: Duration = .seconds(5)

    init(exchange: Exchange, backplane: any Backplane) {
        self.exchange = exchange
        self.backplane = backplane
        exchange.forwardPoll = { [self] in forward($0, issuedAt: $1, for: $2) }
        exchange.withdrawPoll = { [self] in withdraw($0) }
        exchange.letBegin = { [self] id, other in
            asking.claimed(id, byOlder: other.value < exchange.node.value, now: backplane.home.now)
        }
    }

    /// Requests that were put to other nodes, and those for which there was no room.
    var counters: (begun: UInt64, refused: UInt64) { (asking.begun, asking.refused) }

    private func forward(_ request: PollRequest, issuedAt: Int64, for connection: Locator) {
        let now = backplane.home.now
        var request = request
        if request.what == .claim, asking.hasPromised(request.id, now: now) { request = request.turned(into: .poll) }
        let others = backplane.nodes.filter { !$0.isSelf }
        let missing = Set(others.filter { now - $0.lastSeen > Self.silence }.map(\.id))
        let nodes = Set(others.map(\.id)).subtracting(missing)
        guard others.isEmpty || backplane.link.isUp else {
            return waitForLink(request, issuedAt: issuedAt, for: connection, until: backplane.home.now + Self.patience)
        }
        guard !nodes.isEmpty else {
            return exchange.nobodyHas(request, issuedAt: issuedAt, connection, missing: missing)
        }
        guard
            let id = asking.begin(
                request, issuedAt: issuedAt, for: connection, to: nodes, missing: missing,
                until: now + timeout + Self.margin, using: &random)
        else { return tell(connection, request.id, .unreachable) }
        backplane.home.schedule(after: Self.claimTime) { [self] in self.happened(self.asking.expired(id)) }
        backplane.ask(request.bytes, id: id, to: nodes)
        sweepLater()
    }

    private func waitForLink(
        _ request: PollRequest, issuedAt: Int64, for connection: Locator, until end: MonotonicTime
    ) {
        guard backplane.home.now < end else { return tell(connection, request.id, .unreachable) }
        backplane.home.schedule(after: Self.step) { [self] in
            guard self.backplane.link.isUp else {
                return self.waitForLink(request, issuedAt: issuedAt, for: connection, until: end)
            }
            self.exchange.poll(
                request.what == .claim ? request.turned(into: .poll) : request, issuedAt: issuedAt,
                from: .connection(connection))
        }
    }

    private func tell(_ connection: Locator, _ id: SessionID.Secret, _ answer: PollAnswer) {
        exchange.pollAnswered(answer, id, .connection(connection))
    }

    private func happened(_ event: PollAsking.Event?) {
        switch event {
        case .tell(let asked, let answer, let source):
            exchange.pollAnswered(answer, asked.request.id, .connection(asked.connection), by: source)
        case .nobody(let asked)
        where asked.request.what == .claim && asking.hasPromised(asked.request.id, now: backplane.home.now):
            exchange.pollAnswered(.busy, asked.request.id, .connection(asked.connection))
        case .nobody(let asked):
            exchange.nobodyHas(
                asked.request, issuedAt: asked.issuedAt, asked.connection, missing: asked.silent.union(asked.missing))
        case .giveBack(let asked, let node, let question): returned(asked.request.id, node, question)
        case nil: break
        }
    }

    private func returned(_ id: SessionID.Secret, _ node: NodeID, _ question: UInt64) {
        backplane.ask(PollRequest(.returned, id).bytes, id: question, to: [node])
    }

    private func withdraw(_ connection: Locator) {
        guard let (question, asked) = asking.withdrawn(connection), let home = asked.home else { return }
        returned(asked.request.id, home, question)
    }

    // MARK: What other nodes say

    /// - Returns: Whether the answer is one to a request of a client.
    func answered(_ body: [UInt8], id: UInt64, from node: NodeID) -> Bool {
        guard asking.awaits(id) else { return false }
        // A node of an earlier version does not know what it was asked.
        happened(asking.answered(id, from: node, PollAnswer(body) ?? .unknown))
        return true
    }

    func nodeLeft(_ node: NodeID) {
        exchange.nodeLost()
        for event in asking.left([node]) { happened(event) }
    }

    /// Answers may be lost with the link: those that have what clients wait for are asked once more.
    func linkChanged(isUp: Bool) {
        guard isUp != isLinked else { return }
        isLinked = isUp
        guard isUp else { return }
        for (question, asked) in asking.held {
            guard let home = asked.home else { continue }
            backplane.ask(asked.request.turned(into: .poll).bytes, id: question, to: [home])
        }
    }

    // MARK: Time

    /// Once a second, while requests wait: who answers no more is not waited for.
    private func sweepLater() {
        guard !isSweeping else { return }
        isSweeping = true
        backplane.home.schedule(after: .seconds(1)) { [self] in
            self.isSweeping = false
            self.sweep()
            if self.asking.count > 0 { self.sweepLater() }
        }
    }

    private func sweep() {
        let now = backplane.home.now
        if isLinked {
            let silent = backplane.nodes.filter { !$0.isSelf && now - $0.lastSeen > Self.silence }.map(\.id)
            for event in asking.left(Set(silent)) { happened(event) }
        }
        for event in asking.overdue(now: now) { happened(event) }
    }
}
