package import Backplane
package import Codec
import Reactor

/// The node's end of the backplane: passes publications to the exchange, remembers what happened to the link, and
/// carries questions and answers between the control planes of the nodes. On the home reactor.
package final class Desk: BackplaneReceiver, @unchecked Sendable {
    private let exchange: Exchange
    private let backplane: any Backplane
    private let clock: @Sendable () -> UInt64
    private var questions = QuestionTable()
    private var waiting: [UInt64: @Sendable (QuestionTable.Answers) -> Void] = [:]
    package private(set) var history = LinkHistory()
    /// What the next beat says.
    package var preparedSummary: [UInt8] = []
    /// Answers a question of another node, off the reactor; set before the start.
    package var answering: (@Sendable (_ question: [UInt8]) async -> [UInt8])?
    package var log: (@Sendable (LinkEventLevel, String) -> Void)?

    package init(exchange: Exchange, backplane: any Backplane, clock: @escaping @Sendable () -> UInt64) {
        self.exchange = exchange
        self.backplane = backplane
        self.clock = clock
        exchange.report = { [weak self] level, message in self?.happened(level, message) }
    }

    // MARK: The backplane's receiver

    package func delivered(_ publication: Publication) { exchange.delivered(publication) }

    package func held(_ channel: ChannelName) { exchange.held(channel) }

    package func published(_ ticket: PublishTicket, _ outcome: PublishOutcome) { exchange.published(ticket, outcome) }

    package func linkChanged(_ state: LinkState) { exchange.linkChanged(isUp: state.phase == .linked) }

    package func lossNoted(in channel: ChannelName) { exchange.lossNoted(in: channel) }

    package var tracksPresence: Bool { exchange.tracksPresence }

    package func announcesPresence(in channel: ChannelName) -> Bool { exchange.announcesPresence(in: channel) }

    package func summary() -> [UInt8] { preparedSummary }

    package func happened(_ level: LinkEventLevel, _ message: String) {
        history.append(
            .init(time: clock(), level: LinkHistory.Level(rawValue: level.rawValue) ?? .info, message: message))
        log?(level, message)
    }

    package func asked(_ body: [UInt8], id: UInt64, from node: NodeID) {
        guard let answering else { return }
        let backplane = backplane
        Task {
            let answer = await answering(body)
            backplane.home.post { backplane.answer(answer, id: id, to: node) }
        }
    }

    package func answered(_ body: [UInt8], id: UInt64, from node: NodeID) {
        if let answers = questions.answered(id, from: node, body) { finish(id, answers) }
    }

    package func nodeLeft(_ node: NodeID) {
        for (id, answers) in questions.left(node) { finish(id, answers) }
    }

    // MARK: Asking

    /// Puts a question to these nodes and waits for what they say, until the deadline.
    package func ask(
        _ body: [UInt8], to target: NodeID?, deadline: Duration,
        completion: @escaping @Sendable (QuestionTable.Answers) -> Void
    ) {
        let nodes = target.map { [$0] } ?? Set(backplane.nodes.map(\.id))
        guard let id = questions.asked(nodes) else {
            return completion(.init(asked: nodes.count, bodies: []))
        }
        waiting[id] = completion
        backplane.home.schedule(after: deadline) { [weak self] in
            guard let self, let answers = self.questions.expired(id) else { return }
            self.finish(id, answers)
        }
        backplane.ask(body, id: id, to: target)
    }

    private func finish(_ id: UInt64, _ answers: QuestionTable.Answers) {
        waiting.removeValue(forKey: id)?(answers)
    }
}
