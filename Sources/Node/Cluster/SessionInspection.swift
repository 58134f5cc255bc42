package import Backplane
package import Codec
import Reactor

/// What applications ask about the whole cluster, and have done in it.
extension ClusterInspector {
    /// Has something done with sessions, on every node.
    ///
    /// - Returns: What became of it on the nodes that answered.
    package func act(
        everywhere action: SessionAction, on selection: SessionSelection
    ) async -> (result: SessionsActedOn, nodes: NodeCount) {
        let acted = await carryOut(action, on: selection)
        guard let id = selection.client.flatMap({ SessionID($0) }), acted.result.total == 0, acted.nodes.isComplete,
            let moved = await moved(id)
        else { return acted }
        var selection = selection
        selection.client = moved.description
        return await carryOut(action, on: selection)
    }

    private func carryOut(
        _ action: SessionAction, on selection: SessionSelection
    ) async -> (result: SessionsActedOn, nodes: NodeCount) {
        var target: NodeID?
        if let client = selection.client {
            // An id that no session can have is nobody's, and one of a node that is gone is a session that is gone.
            guard let id = SessionID(client) else { return (.init(), NodeCount(asked: 0, answered: 0)) }
            let node = node
            guard await node.home.perform({ node.backplane.nodes.contains { $0.id == id.node } }) else {
                return (.init(), NodeCount(asked: 0, answered: 0))
            }
            target = id.node
        }
        // A node that does not know these conditions would carry it out on all sessions.
        let isConditional = selection.hub != nil || selection.channel != nil
        let question = isConditional ? ClusterQuestion.actInHub(action, on: selection) : .act(action, on: selection)
        let (count, answers) = await ask(question, to: target)
        var result = SessionsActedOn()
        for answer in answers { if case .acted(let share) = answer.answer { result += share } }
        return (result, count)
    }

    /// How many users and subscriptions each node has, as far as they say so.
    package func populations() async -> [NodeID: (users: Count, subscriptions: Count)] {
        let (_, answers) = await ask(.population)
        var found: [NodeID: (users: Count, subscriptions: Count)] = [:]
        for answer in answers {
            guard case .population(let users, let subscriptions) = answer.answer else { continue }
            found[answer.node] = (users, subscriptions)
        }
        return found
    }

    /// A page of the channels that match a pattern, on all nodes.
    package func channels(everywhere pattern: GlobPattern, after: String?) async -> ChannelPage {
        let limit = Self.maximumPage
        return await page(.matching(pattern: pattern.text, after: after, limit: limit), limit: limit)
    }

    /// Reads a channel's history from where a client of the centrifuge dialect says it is; nil when nothing is kept of it.
    package func history(
        of channel: ChannelName, seen: SeenPosition?, limit: Int, isReverse: Bool
    ) async -> Result<HistoryPage, PublishRefusal>? {
        await history(of: channel) { exchange, settings, completion in
            let query = HistoryQuery(
                channel: channel, settings: settings, limit: limit, bytes: Self.historyBytes, isReverse: isReverse)
            exchange.readPage(query, since: seen, completion: completion)
        }
    }

    /// Removes a channel's history, and has every node forget what it has at hand of it.
    package func removeHistory(of channel: ChannelName) async -> Result<NodeCount, PublishRefusal> {
        let node = node
        let end: Result<Position, PublishRefusal> = await withCheckedContinuation { continuation in
            node.home.post { node.exchange.removeHistory(of: channel) { continuation.resume(returning: $0) } }
        }
        switch end {
        case .failure(let refusal): return .failure(refusal)
        case .success(let position):
            let (count, _) = await ask(.forgetHistory(channel: channel.description, upTo: position.offset.value))
            return .success(count)
        }
    }

    // MARK: This node's answers

    func act(_ action: SessionAction, on selection: SessionSelection) async -> SessionsActedOn {
        if case .disconnect(let code, _) = action, !CloseCode(rawValue: code).isValidOnTheWire { return .init() }
        // All reactors at once: a subscription may have to wait for its confirmation.
        return await withTaskGroup(of: SessionsActedOn.self) { group in
            for shard in node.shards {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        shard.reactor.post {
                            shard.act(action, on: selection) { continuation.resume(returning: $0) }
                        }
                    }
                }
            }
            return await group.reduce(into: SessionsActedOn()) { $0 += $1 }
        }
    }

    func population() async -> ClusterAnswer {
        var users: Set<ForeignText> = []
        var subscriptions: Count = 0
        for shard in node.shards {
            let share = await shard.reactor.perform { shard.population }
            users.formUnion(share.users)
            subscriptions += Count(share.subscriptions)
        }
        return .population(users: Count(users.count), subscriptions: subscriptions)
    }
}
