package import Backplane
package import Codec
import Reactor

/// The node's end of the backplane: passes publications to the exchange, remembers what happened to the link, and
/// carries questions and answers between the control planes of the nodes. On the home reactor.
package final class BackplaneInbox: BackplaneReceiver, @unchecked Sendable {
    private let exchange: Exchange
    private let backplane: any Backplane
    private let clock: @Sendable () -> UInt64
    private var questions = QuestionTable()
    /// Of the questions' numbers: unguessable, for whoever knows one can answer.
    private var random = SystemRandomNumberGenerator()
    private var gate = QuestionGate()
    /// Requests with commands have a gate of their own, so that clients leave the questions of operators their room.
    private var commandGate = QuestionGate(perNode: 20_000, perSecond: 50_000)
    private var forwards: CommandForwards
    private var handovers = HandoverAsking()
    private let polls: PollForwards
    /// Questions that wait until a walk is over, oldest first, and when they came.
    private var walksWaiting: [(question: NodeQuestion, came: MonotonicTime)] = []
    private var waiting: [UInt64: @Sendable (QuestionTable.Answers) -> Void] = [:]
    package private(set) var history = LinkHistory()
    /// What the next beat says.
    package var preparedSummary: [UInt8] = []
    /// Answers a question of another node, off the reactor; set before the start.
    package var answering: (@Sendable (NodeQuestion) async -> [UInt8])?
    package var log: (@Sendable (LinkEventLevel, String) -> Void)?
    /// Set before the start.
    var revocations: RevocationKeeper?

    package init(
        exchange: Exchange, backplane: any Backplane, clock: @escaping @Sendable () -> UInt64,
        forwardBytes: Int = 16 * 1024 * 1024, pollTimeout: Duration = PollLimits().timeout
    ) {
        self.exchange = exchange
        self.backplane = backplane
        self.clock = clock
        forwards = CommandForwards(maximumBytes: forwardBytes)
        polls = PollForwards(exchange: exchange, backplane: backplane)
        polls.timeout = pollTimeout
        exchange.forward = { [self] in forward($0, $1) }
        exchange.askNodes = { [self] in askForHandover($0, $1, $2) }
        exchange.report = { [self] level, message in self.happened(level, message) }
    }

    /// Bytes of requests with commands that may be on their way to other nodes, and how long requests wait for messages; on the home
    /// reactor.
    package func use(forwardBytes: Int, pollTimeout: Duration) {
        forwards.maximumBytes = forwardBytes
        polls.timeout = pollTimeout
    }

    // MARK: The backplane's receiver

    package func delivered(_ publication: Publication) { exchange.delivered(publication) }

    package func interestConfirmed(_ channel: ChannelName) { exchange.interestConfirmed(channel) }

    package func published(_ ticket: PublishTicket, _ outcome: PublishOutcome) { exchange.published(ticket, outcome) }

    package func linkChanged(_ state: LinkState) {
        exchange.linkChanged(state.linked, isReady: state.isReady)
        revocations?.linkChanged(isUp: state.isUp)
        polls.linkChanged(isUp: state.isUp)
    }

    package func lossNoted(in channel: ChannelName) { exchange.lossNoted(in: channel) }

    package var tracksPresence: Bool { exchange.tracksPresence }

    package func presenceSettings(of channel: ChannelName) -> PresenceSettings? {
        exchange.presenceSettings(of: channel)
    }

    package var tracksOccupancy: Bool { exchange.tracksOccupancy }

    package func occupancyChanged(of channel: ChannelName, isOccupied: Bool, order: UInt64) {
        exchange.occupancyChanged(of: channel, isOccupied: isOccupied, order: order)
    }

    package var followsMembers: Bool { exchange.events.wants([.memberJoined, .memberLeft]) }

    package func memberChanged(_ change: PresenceChange, _ member: PresenceMember, in channel: ChannelName) {
        exchange.memberChanged(change, member, in: channel)
    }

    package func summary() -> [UInt8] { preparedSummary }

    package func happened(_ level: LinkEventLevel, _ message: String) {
        note(level, message)
        log?(level, message)
    }

    /// Remembers something that is in the log already, for those who ask what happened lately.
    package func note(_ level: LinkEventLevel, _ message: String) {
        history.append(
            .init(time: clock(), level: LinkHistory.Level(rawValue: level.rawValue) ?? .info, message: message))
    }

    package func asked(_ question: NodeQuestion) {
        // Whoever asks by way of this node's API is known to it, and its requests are limited there.
        guard question.sender != .here else { return answer(question, isWalk: false) }
        if CommandRequest.isOne(question.body) { return commandsCame(question) }
        if HandoverQuestion.isOne(question.body) { return handoverWanted(question) }
        if PollRequest.isOne(question.body) { return pollCame(question) }
        let cost = ClusterQuestion.cost(of: question.body)
        let verdict = gate.asked(
            by: question.from, isStranger: question.sender == .stranger, cost: cost, now: backplane.home.now)
        switch verdict {
        case .answer: answer(question, isWalk: cost == .walk)
        case .wait: walksWaiting.append((question, backplane.home.now))
        case .refuse: break
        }
    }

    private func answer(_ question: NodeQuestion, isWalk: Bool) {
        guard let answering else { return }
        let backplane = backplane
        Task {
            let answer = await answering(question)
            backplane.home.post {
                backplane.answer(answer, id: question.id, to: question.from)
                if isWalk { self.walked() }
            }
        }
    }

    /// A walk is over, and the next one begins whose answer is still waited for.
    private func walked() {
        while gate.finished() == .next, !walksWaiting.isEmpty {
            let (question, came) = walksWaiting.removeFirst()
            if backplane.home.now - came < ClusterInspector.deadline { return answer(question, isWalk: true) }
            gate.gaveUp()
        }
    }

    /// Questions of other nodes that were not answered, and answers that did not count.
    package var counters: (refusedQuestions: UInt64, ignoredAnswers: UInt64) {
        (gate.refused &+ commandGate.refused, questions.ignored)
    }

    /// Requests with commands for sessions of other nodes: handed over, without room, without an answer.
    package var forwardCounters: (begun: UInt64, refused: UInt64, unanswered: UInt64) {
        (forwards.begun, forwards.refused, forwards.unanswered)
    }

    package func answered(_ body: [UInt8], id: UInt64, from node: NodeID) {
        if forwards.awaits(id, from: node) {
            // A node of another version may not know what it was asked.
            let verdict = CommandRequest.verdict(in: body) ?? .unknown
            forwards.answered(id, from: node, verdict)?(verdict)
            return
        }
        if let session = handovers.awaits(id, from: node) {
            let answer = HandoverAnswer(body, about: session) ?? .refused
            handovers.answered(id, from: node, answer)?(node, answer)
            return
        }
        if polls.answered(body, id: id, from: node) { return }
        if let answers = questions.answered(id, from: node, body) { finish(id, answers) }
    }

    package func nodeLeft(_ node: NodeID) {
        for (id, answers) in questions.left(node) { finish(id, answers) }
        for completion in forwards.left(node) { completion(.unknown) }
        for completion in handovers.left(node) { completion(nil, .refused) }
        polls.nodeLeft(node)
    }

    // MARK: Asking

    /// Puts a question to these nodes and waits for what they say, until the deadline.
    package func ask(
        _ body: [UInt8], to target: NodeID?, deadline: Duration,
        completion: @escaping @Sendable (QuestionTable.Answers) -> Void
    ) {
        let nodes = target.map { [$0] } ?? Set(backplane.nodes.map(\.id))
        guard let id = questions.asked(nodes, using: &random) else {
            return completion(.init(asked: nodes.count, bodies: [], missing: nodes))
        }
        waiting[id] = completion
        backplane.home.schedule(after: deadline) { [self] in
            guard let answers = self.questions.expired(id) else { return }
            self.finish(id, answers)
        }
        backplane.ask(body, id: id, to: nodes)
    }

    // MARK: Commands

    /// Brings a request with commands to the node of its session, or to all others where it is not known which that is.
    private func forward(_ request: CommandRequest, _ completion: @escaping CommandForwards.Completion) {
        let known = backplane.nodes.map(\.id)
        let nodes = Set(request.isByID ? known.filter { $0 != exchange.node } : known.filter { $0 == request.key.node })
        guard !nodes.isEmpty else { return completion(.unknown) }
        guard backplane.link.isUp,
            let id = forwards.begin(request, to: nodes, using: &random, completion)
        else {
            return completion(.unreachable)
        }
        backplane.home.schedule(after: ClusterInspector.deadline) { [self] in
            self.forwards.expired(id)?(.unreachable)
        }
        backplane.ask(request.question, id: id, to: nodes)
    }

    /// Another node brings commands for a session of this one.
    private func commandsCame(_ question: NodeQuestion) {
        guard question.isDirected, let request = CommandRequest(question: question.body, to: exchange.node) else {
            return
        }
        let asker = CommandAsker.node(question.from, question: question.id)
        let verdict = commandGate.asked(
            by: question.from, isStranger: question.sender == .stranger, cost: .lookup, now: backplane.home.now)
        guard verdict == .answer else { return exchange.carried(.unreachable, asker) }
        exchange.carry(request, from: asker)
    }

    // MARK: Polls

    /// Requests that were put to other nodes, and those for which there was no room.
    package var pollCounters: (begun: UInt64, refused: UInt64) { polls.counters }

    /// Another node has a request for a session of this one.
    private func pollCame(_ question: NodeQuestion) {
        guard question.isDirected, let request = PollRequest(question.body) else { return }
        let asker = CommandAsker.node(question.from, question: question.id)
        let verdict = commandGate.asked(
            by: question.from, isStranger: question.sender == .stranger, cost: .lookup, now: backplane.home.now)
        guard verdict == .answer else { return exchange.pollAnswered(.unreachable, request.id, asker) }
        exchange.poll(request, from: asker)
    }

    // MARK: Handovers

    /// A client that comes back is told within a second that its session is nowhere.
    private static let claimTime: Duration = .milliseconds(700)
    /// What the other node kept is there when it has all fences.
    private static let fetchTime: Duration = .seconds(2)

    private func askForHandover(
        _ question: HandoverQuestion, _ target: NodeID?, _ completion: @escaping HandoverAsking.Completion
    ) {
        let nodes = target.map { [$0] } ?? Set(backplane.nodes.map(\.id).filter { $0 != exchange.node })
        guard !nodes.isEmpty, backplane.link.isUp,
            let id = handovers.begin(about: question.id, to: nodes, using: &random, completion)
        else {
            return completion(nil, .refused)
        }
        let time: Duration = if case .claim = question.what { Self.claimTime } else { Self.fetchTime }
        backplane.home.schedule(after: time) { [self] in self.handovers.expired(id)?(nil, .refused) }
        backplane.ask(question.bytes, id: id, to: nodes)
    }

    /// Another node wants a session of this one.
    private func handoverWanted(_ question: NodeQuestion) {
        guard question.isDirected, let wanted = HandoverQuestion(question.body) else { return }
        let verdict = commandGate.asked(
            by: question.from, isStranger: question.sender == .stranger, cost: .lookup, now: backplane.home.now)
        guard verdict == .answer else { return }
        exchange.handOver(wanted, to: NodeAsker(node: question.from, question: question.id))
    }

    private func finish(_ id: UInt64, _ answers: QuestionTable.Answers) {
        waiting.removeValue(forKey: id)?(answers)
    }
}
