import Backplane
import Codec
import Reactor

/// Carries out the commands of Centrifugo's server API and writes their results, as its documentation has them.
///
/// An answer that is not the whole cluster's is an error: whoever is told "disconnected" may rely on it.
struct ServerAPI {
    let node: RunningNode
    let inspector: ClusterInspector
    let publisher: any Publisher

    /// The result as a JSON object.
    typealias Outcome = Result<[UInt8], ServerAPIError>

    /// Bytes of one answer with a list in it.
    static let maximumAnswerBytes = 8 << 20
    /// Members and channels in one answer.
    static let maximumEntries = 50_000

    var limits: ServerAPILimits {
        ServerAPILimits(
            messageBytes: node.configuration.messageBytes, now: Int64(clamping: WallClock.milliseconds / 1000))
    }

    func carryOut(_ command: ServerAPICommand, _ audit: AuditNote) async -> Outcome {
        do throws(ServerAPIError) {
            return .success(try await result(of: command, audit))
        } catch {
            return .failure(error)
        }
    }

    private func result(of command: ServerAPICommand, _ audit: AuditNote) async throws(ServerAPIError) -> [UInt8] {
        switch command {
        case .publish(let publish): return try await result(of: publish, audit)
        case .act(let action, let selection, let demands):
            return try await result(of: action, on: selection, demands, audit)
        case .presence(let channel, let isCount):
            guard rule(of: channel).presence != nil else {
                throw .notAvailable("channel '\(channel)' has no presence: add presence: true to its rule")
            }
            return isCount ? try await counts(of: channel) : try await members(of: channel)
        case .history(let history): return try await publications(history)
        case .historyRemove(let channel): return try await removeHistory(of: channel, audit)
        case .channels(let pattern): return try await channels(pattern)
        case .info: return await info()
        case .rpc(let method): throw .notFound("there is no method '\(method.prefix(64))' to call")
        }
    }

    private func rule(of channel: ChannelName) -> ChannelRule {
        node.live.rules.rule(for: channel)
    }

    // MARK: Publishing

    private func result(
        of publish: ServerAPICommand.Publish, _ audit: AuditNote
    ) async throws(ServerAPIError) -> [UInt8] {
        let names = publish.channels.compactMap { try? $0.get() }
        if let first = names.first { audit.add("channel", first.description) }
        if publish.isBroadcast { audit.add("channels", "\(publish.channels.count)") }
        audit.add("bytes", "\(publish.payload.count)")
        let outcomes = await publisher.publish(
            PublishOrder(
                channels: names, kind: publish.kind, payload: publish.payload,
                extras: publish.idempotencyKey == nil && publish.tags == nil
                    ? nil : Publication.Extras(idempotencyKey: publish.idempotencyKey, tags: publish.tags),
                isKept: !publish.skipsHistory))
        guard publish.isBroadcast else {
            switch outcomes.first {
            case .accepted(let position)?: return ServerAPIReply.published(position)
            case .refused(let refusal)?: throw .internal("\(refusal)")
            case nil: throw .internal("nothing was published")
            }
        }
        var left = outcomes[...]
        let each = publish.channels.map { channel -> Outcome in
            switch channel {
            case .failure(let error): return .failure(error)
            case .success:
                switch left.popFirst() {
                case .accepted(let position)?: return .success(ServerAPIReply.published(position))
                case .refused(let refusal)?: return .failure(.internal("\(refusal)"))
                case nil: return .failure(.internal("nothing was published"))
                }
            }
        }
        return ServerAPIReply.broadcast(each)
    }

    // MARK: Sessions

    private func result(
        of action: SessionAction, on selection: SessionSelection, _ demands: ChannelDemands, _ audit: AuditNote
    ) async throws(ServerAPIError) -> [UInt8] {
        if let user = selection.user { audit.add("user", user.text) }
        if let client = selection.client { audit.add("client", client) }
        if let channel = demands.channel {
            audit.add("channel", channel.description)
            let rule = rule(of: channel)
            if let objection = demands.objection(to: rule) { throw .notAvailable("channel '\(channel)': \(objection)") }
            guard rule.subscribe != .nobody else {
                throw .notAvailable("channel '\(channel)': its rule says subscribe: nobody")
            }
        }
        let (result, nodes) = await inspector.act(everywhere: action, on: selection)
        audit.add("sessions", "\(result.done)")
        guard nodes.answered == nodes.asked else { throw .incomplete(nodes) }
        if let refusal = result.refusals.first { throw refusal.reason.error(refusal.count, of: result.total) }
        return Array("{}".utf8)
    }

    // MARK: Presence

    private func counts(of channel: ChannelName) async throws(ServerAPIError) -> [UInt8] {
        switch await inspector.presence(PresenceQuery(channel: channel, view: .count, limit: 0)) {
        case .failure(let refusal): throw .internal("\(refusal)")
        case .success(let page): return ServerAPIReply.presenceStats(page.counts)
        }
    }

    private func members(of channel: ChannelName) async throws(ServerAPIError) -> [UInt8] {
        var members: [PresenceMember] = []
        var bytes = 0
        var after: [UInt8]?
        repeat {
            let query = PresenceQuery(
                channel: channel, view: .clients, after: after, limit: PresenceQuery.maximumLimit)
            switch await inspector.presence(query) {
            case .failure(let refusal): throw .internal("\(refusal)")
            case .success(let page):
                members += page.members
                bytes += page.members.reduce(0) { $0 + $1.packedBytes }
                after = page.hasMore ? page.end : nil
            }
            guard members.count <= Self.maximumEntries, bytes <= Self.maximumAnswerBytes else {
                throw .limitExceeded(
                    "channel '\(channel)' has too many members for one answer: use GET /api/v1/channels/NAME/presence")
            }
        } while after != nil
        return ServerAPIReply.presence(members)
    }

    // MARK: History

    private func publications(_ asked: ServerAPICommand.History) async throws(ServerAPIError) -> [UInt8] {
        var found: [Publication] = []
        var bytes = 0
        var left = asked.limit < 0 ? Int.max : Int(clamping: asked.limit)
        var page = try await page(asked, since: asked.since, limit: left)
        let top = page.top
        while true {
            found += page.publications
            left -= page.publications.count
            bytes += page.publications.reduce(0) { $0 + $1.weight }
            guard left > 0, bytes < Self.maximumAnswerBytes, let next = page.next else { break }
            // What is gone by now ends the list, as it would have a moment later.
            page = try await self.page(asked, since: .exact(next), limit: left)
        }
        return ServerAPIReply.history(found, top: top)
    }

    private func removeHistory(of channel: ChannelName, _ audit: AuditNote) async throws(ServerAPIError) -> [UInt8] {
        audit.add("channel", channel.description)
        guard rule(of: channel).history != nil else { throw .noHistory(channel) }
        switch await inspector.removeHistory(of: channel) {
        case .failure(let refusal): throw .internal("\(refusal)")
        case .success(let nodes): if nodes.answered < nodes.asked { throw .incomplete(nodes) }
        }
        return Array("{}".utf8)
    }

    private func page(
        _ asked: ServerAPICommand.History, since: SeenPosition?, limit: Int
    ) async throws(ServerAPIError) -> HistoryPage {
        let read = await inspector.history(
            of: asked.channel, seen: since, limit: min(limit, HistoryQuery.maximumPublications),
            isReverse: asked.isReverse)
        switch read {
        case nil:
            throw .noHistory(asked.channel)
        case .failure(let refusal): throw .internal("\(refusal)")
        case .success(let page):
            guard page.isContinuous else { throw .unrecoverablePosition("'since' does not lead to what is kept") }
            return page
        }
    }

    // MARK: The cluster

    private func channels(_ pattern: GlobPattern?) async throws(ServerAPIError) -> [UInt8] {
        var found: [ChannelSummary] = []
        var after: String?
        repeat {
            let page =
                if let pattern {
                    await inspector.channels(everywhere: pattern, after: after)
                } else {
                    await inspector.channels(prefix: "", after: after, limit: ClusterInspector.maximumPage)
                }
            guard page.nodes.answered == page.nodes.asked else { throw .incomplete(page.nodes) }
            found += page.channels
            after = page.cursor
            guard found.count <= Self.maximumEntries else {
                throw .limitExceeded(
                    "there are more than \(Self.maximumEntries) channels: use a pattern, or GET /api/v1/channels")
            }
        } while after != nil
        return ServerAPIReply.channels(found)
    }

    private func info() async -> [UInt8] {
        let cluster = await inspector.cluster()
        let populations = await inspector.populations()
        let now = WallClock.milliseconds
        return ServerAPIReply.info(
            cluster.cluster.map { entry in
                .init(
                    entry: entry, population: NodeID(entry.id).flatMap { populations[$0] },
                    uptime: entry.summary.map {
                        Count(now > $0.startedAt.value ? (now - $0.startedAt.value) / 1000 : 0)
                    })
            })
    }
}

extension ServerAPIError {
    fileprivate static func noHistory(_ channel: ChannelName) -> ServerAPIError {
        .notAvailable("channel '\(channel)' has no history: add history: { size: …, ttl: … } to its rule")
    }

    /// Not all nodes have answered: it may be done on some.
    fileprivate static func incomplete(_ nodes: NodeCount) -> ServerAPIError {
        .internal("\(nodes.answered) of \(things(nodes.asked, "node")) answered, try again")
    }
}

extension SessionRefusal {
    fileprivate func error(_ count: Count, of total: Count) -> ServerAPIError {
        let sessions = "\(count) of \(things(total, "session"))"
        return switch self {
        case .limit: .limitExceeded("\(sessions) can have no more channels: limits.channels_per_session")
        case .notPermitted: .notAvailable("the channel's rule does not let \(sessions) subscribe")
        case .unrecoverable:
            .unrecoverablePosition("\(sessions) could not be subscribed: 'recover_since' does not lead to what is kept")
        case .wordless:
            .notAvailable(
                "\(sessions) cannot be told that a subscription ended, because the dialect has no word for it; disconnect them, or let them be"
            )
        case .temporary: .internal("\(sessions) ended meanwhile or could not be confirmed in time, try again")
        }
    }
}
