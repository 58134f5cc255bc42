package import Backplane
package import Codec
import Foundation
import Reactor
import Synchronization

/// Answers questions about the whole cluster, from any node: what beats tell is at hand, the rest is asked for.
package final class ClusterInspector: Sendable {
    let node: RunningNode

    /// How long the other nodes have to answer.
    package static let deadline: Duration = .seconds(2)
    /// Nodes that did not answer and are named.
    private static let namedNodes = 100
    /// How long after a beat a node counts as fresh.
    static let freshness: Duration = .seconds(3)

    package init(node: RunningNode) { self.node = node }

    /// Makes the node answer the questions of others; before it starts.
    package func attach() {
        node.inbox.answering = { [weak self] asked in
            guard let self, let question = JSON.decode(ClusterQuestion.self, from: asked.body),
                let answer = await self.answer(question, isDirected: asked.isDirected),
                let encoded = try? JSON.encoder.encode(answer), encoded.count <= NodeMessage.maximumAnswerBytes
            else { return [] }
            return Array(encoded)
        }
    }

    // MARK: From beats

    package func cluster() async -> ClusterReport {
        let node = node
        let (records, events) = await node.home.perform { (node.backplane.nodes, node.inbox.history.events) }
        let now = MonotonicTime.now()
        let entries = records.map { record in
            let age = now - record.lastSeen
            return NodeEntry(
                id: record.id.description, name: record.name, isFresh: record.isSelf || age <= Self.freshness,
                lastSeenMs: Count(age.wholeNanoseconds / 1_000_000), isSelf: record.isSelf,
                summary: JSON.decode(NodeSummary.self, from: record.summary))
        }
        return ClusterReport(
            nodes: NodeCount(asked: entries.count, answered: entries.count { $0.isFresh }),
            answeredBy: node.id.description, sessions: entries.lazy.compactMap(\.summary?.sessions).sum,
            cluster: entries,
            events: events.map { .init(time: Count($0.time), level: $0.level.rawValue, message: $0.message) })
    }

    // MARK: Asked for

    package func connections(_ query: ConnectionQuery) async -> ConnectionPage {
        let (count, answers) = await ask(.connections(query), to: query.node.flatMap { NodeID($0) })
        let merged = Merging.connections(
            answers.compactMap { entry in
                guard case .connections(let list) = entry.answer else { return nil }
                // A node speaks for its own sessions only.
                return list.filter { SessionID($0.id)?.node == entry.node }
            },
            sort: query.sort, limit: query.limit)
        return ConnectionPage(
            nodes: count, connections: merged.connections, cursor: merged.cursor.map(PageCursor.encode))
    }

    /// - Returns: Whether the connection was found, and whether its node answered.
    package func close(_ id: SessionID, code: UInt16, reason: String) async -> (found: Bool, nodes: NodeCount) {
        let closed = await closeThere(id, code: code, reason: reason)
        guard !closed.found, let moved = await moved(id) else { return closed }
        return await closeThere(moved, code: code, reason: reason)
    }

    private func closeThere(
        _ id: SessionID, code: UInt16, reason: String
    ) async -> (found: Bool, nodes: NodeCount) {
        let (count, answers) = await ask(
            .close(connection: id.description, code: code, reason: reason), to: id.node)
        return (answers.contains { $0.answer == .closed(true) }, count)
    }

    /// - Returns: How many sessions of the user were closed, on the nodes that answered.
    package func close(user: ForeignText, code: UInt16, reason: String) async -> (sessions: Count, nodes: NodeCount) {
        let (count, answers) = await ask(.closeUser(user, code: code, reason: reason))
        let sessions = answers.lazy.compactMap { entry in
            if case .closedUser(let sessions) = entry.answer { sessions } else { nil }
        }
        return (sessions.sum, count)
    }

    /// Makes a node let its sessions go.
    ///
    /// - Returns: Whether it answered.
    package func drain(_ id: NodeID) async -> Bool {
        let (_, answers) = await ask(.drain, to: id)
        return answers.contains { $0.answer == .draining }
    }

    /// Makes a drained node serve again.
    ///
    /// - Returns: Whether it answered, and why it cannot.
    package func undrain(_ id: NodeID) async -> (answered: Bool, reason: String?) {
        let (_, answers) = await ask(.undrain, to: id)
        for answer in answers {
            if case .undrained(let reason) = answer.answer { return (true, reason?.text) }
        }
        return (false, nil)
    }

    /// Reads a channel's history; nil when nothing is kept of it.
    package func history(
        of channel: ChannelName, since: Position?, limit: Int, isReverse: Bool
    ) async -> Result<HistoryPage, PublishRefusal>? {
        await history(of: channel) { exchange, settings, completion in
            let query = HistoryQuery(
                channel: channel, settings: settings, since: since, limit: limit, bytes: Self.historyBytes,
                isReverse: isReverse)
            exchange.historyReads.read(query, for: .questions, completion: completion)
        }
    }

    /// Has a channel's history read where the exchange lives; nil when nothing is kept of it.
    func history(
        of channel: ChannelName,
        read: @escaping @Sendable (Exchange, HistorySettings, @escaping HistoryReads.Completion) -> Void
    ) async -> Result<HistoryPage, PublishRefusal>? {
        let node = node
        return await withCheckedContinuation { continuation in
            node.home.post {
                guard let settings = node.exchange.historySettings(of: channel) else {
                    return continuation.resume(returning: nil)
                }
                read(node.exchange, settings) { continuation.resume(returning: $0) }
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

    package var linkState: LinkState {
        get async {
            let node = node
            return await node.home.perform { node.backplane.link }
        }
    }

    func ask(
        _ question: ClusterQuestion, to target: NodeID? = nil
    ) async -> (NodeCount, [(node: NodeID, answer: ClusterAnswer)]) {
        let node = node
        let body = Array((try? JSON.encoder.encode(question)) ?? Data())
        let (answers, names) = await withCheckedContinuation {
            (continuation: CheckedContinuation<(QuestionTable.Answers, [NodeID: String]), Never>) in
            node.home.post {
                // A node nobody knows is not waited for.
                if let target, !node.backplane.nodes.contains(where: { $0.id == target }) {
                    return continuation.resume(
                        returning: (QuestionTable.Answers(asked: 1, bodies: [], missing: [target]), [:]))
                }
                // Those that leave meanwhile are named all the same.
                let known = node.backplane.nodes
                node.inbox.ask(body, to: target, deadline: Self.deadline) { answers in
                    let names = answers.missing.isEmpty ? [] : known.map { ($0.id, $0.name) }
                    continuation.resume(returning: (answers, Dictionary(names) { first, _ in first }))
                }
            }
        }
        let decoded = answers.bodies.compactMap { entry -> (node: NodeID, answer: ClusterAnswer)? in
            JSON.decode(ClusterAnswer.self, from: entry.body).map { (entry.node, $0) }
        }
        // A node of another version may not know what it was asked, and says nothing to it.
        var missing = answers.missing
        for entry in answers.bodies where !decoded.contains(where: { $0.node == entry.node }) {
            missing.insert(entry.node)
        }
        let listed = missing.sorted { $0.value < $1.value }.prefix(Self.namedNodes).map { names[$0] ?? $0.description }
        return (
            NodeCount(asked: answers.asked, answered: decoded.count, missing: listed.isEmpty ? nil : listed), decoded
        )
    }

    // MARK: This node's answers

    /// The largest page.
    package static let maximumPage = 1000
    /// Bytes of a page of history.
    static let historyBytes = 1 << 20

    /// - Parameter isDirected: Whether this node alone is meant: nobody makes all nodes leave by one message.
    func answer(_ question: ClusterQuestion, isDirected: Bool) async -> ClusterAnswer? {
        switch question {
        case .channels(let prefix, let after, let limit):
            let prefix = Array(prefix.utf8)
            node.channelRates.want()
            return await channels(after: after, limit: limit) { $0.starts(with: prefix) }
        case .busiest(let prefix, let sort, let limit): return await busiest(prefix: prefix, by: sort, limit: limit)
        case .counts(let names): return await counts(names)
        case .channel(let name): return await share(of: ChannelName(trusted: Array(name.utf8)))
        case .series(let samples): return .series(node.samples.withLock { $0.series(samples) })
        case .recent(let limit): return await recent(limit)
        case .limits: return limits()
        case .connection(let id, let after, let limit): return await detail(id, after: after, limit: limit)
        case .trace(let id, let seconds): return isDirected ? await beginTrace(id, seconds: seconds) : nil
        case .traceNext(let id): return await nextOfTrace(id)
        case .traceEnd(let id): return endTrace(id)
        case .configuration: return .configuration(node.configuration.common)
        case .drain:
            guard isDirected else { return nil }
            let node = node
            Task { await node.drain() }
            return .draining
        case .undrain:
            guard isDirected else { return nil }
            return .undrained(reason: await node.undrain().map { PlainText($0) })
        case .connections(var query):
            query.limit = max(0, min(query.limit, Self.maximumPage))
            let bounded = query
            var lists: [[ConnectionSummary]] = []
            for shard in node.shards {
                let walk = ConnectionWalk(bounded)
                lists.append(await self.walk(shard) { walk.step(on: $0) })
            }
            return .connections(
                Merging.connections(lists, sort: bounded.sort, limit: bounded.limit).connections)
        case .close(let connection, let code, let reason):
            guard let id = SessionID(connection), id.node == node.id, CloseCode(rawValue: code).isValidOnTheWire,
                let shard = node.shards.first(where: { $0.index == Locator(id.locator).reactor })
            else { return .closed(false) }
            return .closed(await shard.reactor.perform { shard.close(id, code: code, reason: reason) })
        case .closeUser(let user, let code, let reason):
            guard CloseCode(rawValue: code).isValidOnTheWire else { return .closedUser(sessions: 0) }
            var sessions: Count = 0
            for shard in node.shards {
                sessions += Count(
                    await shard.reactor.perform { shard.close(user: user, code: code, reason: reason) })
            }
            return .closedUser(sessions: sessions)
        case .revoke(let tokens): return await revoke(tokens)
        case .sessions(let secrets, let hub): return await ownSessions(secrets, of: hub)
        case .act(let action, let selection), .actInHub(let action, let selection):
            return .acted(await act(action, on: selection))
        case .population: return await population()
        case .matching(let pattern, let after, let limit):
            guard let pattern = GlobPattern(pattern) else { return nil }
            return await channels(after: after, limit: limit) { pattern.matches($0) }
        case .forgetHistory(let channel, let offset):
            let name = ChannelName(trusted: Array(channel.utf8))
            let node = node
            await node.home.perform { node.exchange.forgetHistory(of: name, upTo: Offset(clamping: offset)) }
            return .historyForgotten
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

    /// Decodes what came from outside, on whatever thread that is. Foundation's decoder calls itself for every level of
    /// nesting, up to 512 of them; here there are at most 32 (`JSONScanner.maximumDepth`), which every stack has room for.
    ///
    /// - Returns: Nil for what is not JSON, is nested deeper, or does not say what is asked for.
    static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) -> Value? {
        let isValid = bytes.withUnsafeBytes { UTF8Validator.isValid($0) && JSONScanner.isValid($0) }
        guard isValid else { return nil }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try? decoder.decode(type, from: Data(bytes))
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
        return Data(base64Encoded: base64).flatMap { JSON.decode(type, from: Array($0)) }
    }
}
