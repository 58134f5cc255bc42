package import Backplane
package import Codec
import Foundation
import Reactor

/// Answers questions about the whole cluster, from any node: what beats tell is at hand, the rest is asked for.
package final class ClusterInspector: Sendable {
    private let node: RunningNode

    /// How long the other nodes have to answer.
    package static let deadline: Duration = .seconds(2)
    /// How long after a beat a node counts as fresh.
    static let freshness: Duration = .seconds(3)

    package init(node: RunningNode) { self.node = node }

    /// Makes the node answer the questions of others; before it starts.
    package func attach() {
        node.desk.answering = { [weak self] body in
            guard let self, let question = try? JSON.decoder.decode(ClusterQuestion.self, from: Data(body)),
                let answer = try? JSON.encoder.encode(await self.answer(question))
            else { return [] }
            return Array(answer)
        }
    }

    // MARK: From beats

    package func cluster() async -> ClusterReport {
        let node = node
        let (records, events) = await node.home.perform { (node.backplane.nodes, node.desk.history.events) }
        let now = MonotonicTime.now()
        let entries = records.map { record in
            let age = now - record.lastSeen
            return NodeEntry(
                id: record.id.description, name: record.name, isFresh: record.isSelf || age <= Self.freshness,
                lastSeenMs: age.wholeNanoseconds / 1_000_000, isSelf: record.isSelf,
                summary: try? JSON.decoder.decode(NodeSummary.self, from: Data(record.summary)))
        }
        return ClusterReport(
            nodes: NodeCount(asked: entries.count, answered: entries.count { $0.isFresh }),
            answeredBy: node.id.description, sessions: entries.reduce(0) { $0 + ($1.summary?.sessions ?? 0) },
            cluster: entries, events: events.map { .init(time: $0.time, level: $0.level.rawValue, message: $0.message) }
        )
    }

    // MARK: Asked for

    package func channels(prefix: String, after: String?, limit: Int) async -> ChannelPage {
        let (count, answers) = await ask(.channels(prefix: prefix, after: after, limit: limit))
        let merged = Merging.channels(
            answers.compactMap { if case .channels(let channels) = $0.answer { channels } else { nil } }, limit: limit)
        return ChannelPage(nodes: count, channels: merged.channels, cursor: merged.cursor)
    }

    package func channel(_ name: String) async -> ChannelReport {
        let (count, answers) = await ask(.channel(name: name))
        let shares = answers.compactMap { entry -> ChannelReport.Share? in
            guard case .channel(let subscribers, let dropped) = entry.answer else { return nil }
            return .init(node: entry.node.description, subscribers: subscribers, droppedPublications: dropped)
        }
        let slow = node.shards.first?.settings.rules.rule(for: ChannelName(trusted: Array(name.utf8))).slow
        return ChannelReport(
            nodes: count, name: name, subscribers: shares.reduce(0) { $0 + $1.subscribers },
            slow: (slow ?? .disconnect).rawValue,
            droppedPublications: shares.reduce(0) { $0 &+ ($1.droppedPublications ?? 0) },
            byNode: shares.sorted { $0.node < $1.node })
    }

    package func connections(_ query: ConnectionQuery) async -> ConnectionPage {
        let (count, answers) = await ask(.connections(query), to: query.node.flatMap { NodeID($0) })
        let merged = Merging.connections(
            answers.compactMap { if case .connections(let list) = $0.answer { list } else { nil } },
            sort: query.sort, limit: query.limit)
        return ConnectionPage(
            nodes: count, connections: merged.connections, cursor: merged.cursor.map(PageCursor.encode))
    }

    /// - Returns: Whether the connection was found, and whether its node answered.
    package func close(_ id: SessionID, code: UInt16, reason: String) async -> (found: Bool, nodes: NodeCount) {
        let (count, answers) = await ask(
            .close(connection: id.description, code: code, reason: reason), to: id.node)
        return (answers.contains { $0.answer == .closed(true) }, count)
    }

    /// - Returns: How many sessions of the user were closed, on the nodes that answered.
    package func close(user: String, code: UInt16, reason: String) async -> (sessions: Int, nodes: NodeCount) {
        let (count, answers) = await ask(.closeUser(user, code: code, reason: reason))
        let sessions = answers.reduce(0) { sum, entry in
            if case .closedUser(let sessions) = entry.answer { sum + sessions } else { sum }
        }
        return (sessions, count)
    }

    /// Makes a node let its sessions go.
    ///
    /// - Returns: Whether it answered.
    package func drain(_ id: NodeID) async -> Bool {
        let (_, answers) = await ask(.drain, to: id)
        return answers.contains { $0.answer == .draining }
    }

    package func publish(_ publication: Publication) async -> PublishOutcome {
        let node = node
        return await withCheckedContinuation { continuation in
            node.home.post { node.exchange.publish(publication) { continuation.resume(returning: $0) } }
        }
    }

    /// Reads a channel's history; nil when nothing is kept of it.
    package func history(
        of channel: ChannelName, since: Position?, limit: Int, isReverse: Bool
    ) async -> Result<HistoryPage, PublishRefusal>? {
        let node = node
        return await withCheckedContinuation { continuation in
            node.home.post {
                guard let settings = node.exchange.historySettings(of: channel) else {
                    return continuation.resume(returning: nil)
                }
                let query = HistoryQuery(
                    channel: channel, settings: settings, since: since, limit: limit, isReverse: isReverse)
                node.backplane.read(query) { continuation.resume(returning: $0) }
            }
        }
    }

    /// Who is present in a channel, on all nodes.
    package func presence(_ query: PresenceQuery) async -> Result<PresencePage, PublishRefusal> {
        let node = node
        return await withCheckedContinuation { continuation in
            node.home.post { node.backplane.presence(query) { continuation.resume(returning: $0) } }
        }
    }

    package var isLinked: Bool {
        get async { await linkState.phase == .linked }
    }

    package var linkState: LinkState {
        get async {
            let node = node
            return await node.home.perform { node.backplane.link }
        }
    }

    private func ask(
        _ question: ClusterQuestion, to target: NodeID? = nil
    ) async -> (NodeCount, [(node: NodeID, answer: ClusterAnswer)]) {
        let node = node
        let body = Array((try? JSON.encoder.encode(question)) ?? Data())
        let answers = await withCheckedContinuation { continuation in
            node.home.post {
                // A node nobody knows is not waited for.
                if let target, !node.backplane.nodes.contains(where: { $0.id == target }) {
                    return continuation.resume(returning: QuestionTable.Answers(asked: 1, bodies: []))
                }
                node.desk.ask(body, to: target, deadline: Self.deadline) { continuation.resume(returning: $0) }
            }
        }
        let decoded = answers.bodies.compactMap { entry -> (node: NodeID, answer: ClusterAnswer)? in
            guard let answer = try? JSON.decoder.decode(ClusterAnswer.self, from: Data(entry.body)) else { return nil }
            return (entry.node, answer)
        }
        return (NodeCount(asked: answers.asked, answered: decoded.count), decoded)
    }

    // MARK: This node's answers

    /// The largest page.
    package static let maximumPage = 1000

    func answer(_ question: ClusterQuestion) async -> ClusterAnswer {
        switch question {
        case .channels(let prefix, let after, let limit):
            let prefix = Array(prefix.utf8)
            let after = after.map { Array($0.utf8) }
            let limit = max(0, min(limit, Self.maximumPage))
            var lists: [[ChannelSummary]] = []
            for shard in node.shards {
                let found = await shard.reactor.perform { shard.channels(prefix: prefix, after: after, limit: limit) }
                lists.append(found.map { ChannelSummary(name: $0.name, subscribers: $0.subscribers, onNodes: 1) })
            }
            let merged = Merging.channels(lists, limit: limit).channels
            return .channels(merged.map { ChannelSummary(name: $0.name, subscribers: $0.subscribers, onNodes: 1) })
        case .channel(let name):
            let channel = ChannelName(trusted: Array(name.utf8))
            var subscribers = 0
            var dropped: UInt64 = 0
            for shard in node.shards {
                let share = await shard.reactor.perform { (shard.subscribers(of: channel), shard.dropped(of: channel)) }
                subscribers += share.0
                dropped &+= share.1
            }
            return .channel(subscribers: subscribers, dropped: dropped)
        case .drain:
            let node = node
            Task { await node.drain() }
            return .draining
        case .connections(var query):
            query.limit = max(0, min(query.limit, Self.maximumPage))
            let bounded = query
            var lists: [[ConnectionSummary]] = []
            for shard in node.shards { lists.append(await shard.reactor.perform { shard.connections(bounded) }) }
            return .connections(
                Merging.connections(lists, sort: bounded.sort, limit: bounded.limit).connections)
        case .close(let connection, let code, let reason):
            guard let id = SessionID(connection), id.node == node.id,
                let shard = node.shards.first(where: { $0.index == Int(Locator(id.locator).reactor) })
            else { return .closed(false) }
            return .closed(await shard.reactor.perform { shard.close(id, code: code, reason: reason) })
        case .closeUser(let user, let code, let reason):
            var sessions = 0
            for shard in node.shards {
                sessions += await shard.reactor.perform { shard.close(user: user, code: code, reason: reason) }
            }
            return .closedUser(sessions: sessions)
        }
    }
}

/// JSON as the API has it.
enum JSON {
    static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }
}

/// Cursors as opaque text.
enum PageCursor {
    static func encode(_ cursor: some Encodable) -> String {
        ((try? JSON.encoder.encode(cursor)) ?? Data()).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    static func decode<Cursor: Decodable>(_ text: String, as type: Cursor.Type) -> Cursor? {
        var base64 = text.replacing("-", with: "+").replacing("_", with: "/")
        base64 += String(repeating: "=", count: (4 - base64.utf8.count % 4) % 4)
        return Data(base64Encoded: base64).flatMap { try? JSON.decoder.decode(type, from: $0) }
    }
}
