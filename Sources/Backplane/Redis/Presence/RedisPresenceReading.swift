package import Codec

/// Who is present on all nodes, as Redis says it.
extension RedisBackplane {
    package func presence(
        _ query: PresenceQuery, completion: @escaping (Result<PresencePage, PublishRefusal>) -> Void
    ) {
        if isDeferred(query.channel, { [self] in presence(query, completion: completion) }) { return }
        let server = topology.server(for: query.channel)
        guard server.state.takesCommands else { return completion(.failure(.isolated)) }
        guard server.has(.present) else {
            return completion(
                .failure(
                    .medium("presence is not available: \(server.scripts.objection ?? "the scripts are missing")")))
        }
        guard presence.questions.put(query, completion) == .read else {
            status.presenceRefused &+= 1
            return completion(.failure(.medium("too many presence queries are waiting for Redis")))
        }
        readMore()
    }

    /// Reads for those that wait, as many as may be under way; or tells them that it cannot be done.
    private func readMore() {
        while let query = presence.questions.next() {
            if topology.server(for: query.channel).has(.present) {
                read(query)
            } else {
                for completion in presence.questions.answered(query) { completion(.failure(.isolated)) }
            }
        }
    }

    func read(_ query: PresenceQuery) {
        var start: [UInt8] = [UInt8(ascii: "-")]
        if let after = query.after {
            start = query.view == .users ? [UInt8(ascii: "(")] + after : [UInt8(ascii: "[")] + after + [0xFF]
        }
        let nodes = registry.ids.sorted { $0.value < $1.value }
        let names = names[query.channel]
        topology.server(for: query.channel).run(
            .present, .present(query),
            keys: [names.presence("pu", query.channel.bytes), names.presence("pl", query.channel.bytes)]
                + nodes.map { names.members(query.channel.bytes, of: $0) },
            [
                Array(query.view.rawValue.utf8), start, Array("\(query.limit)".utf8),
                Self.flag(query.isWhole), Array("\(PresenceQuery.maximumBytes)".utf8),
            ])
    }

    /// Tells everybody who shares the read, and goes on with those that waited for it.
    func answer(_ query: PresenceQuery, _ result: Result<PresencePage, PublishRefusal>) {
        for completion in presence.questions.answered(query) { completion(result) }
        readMore()
    }

    /// What Redis said; all of it is checked, and what could not have been asked for is no answer.
    func page(_ query: PresenceQuery, _ value: RESPValue) -> Result<PresencePage, PublishRefusal> {
        guard case .array(let elements) = value, elements.count == 4, case .integer(let clients) = elements[0],
            case .integer(let users) = elements[1], case .integer(let more) = elements[2],
            case .array(let entries) = elements[3], let counts = PresenceCounts(foreign: clients, users: users),
            entries.count <= query.limit
        else { return badAnswer() }
        var page = PresencePage(counts)
        page.hasMore = more != 0
        var bytesLeft = PresenceQuery.maximumBytes
        for (index, entry) in entries.enumerated() {
            guard case .bulk(let bytes?) = entry, index == 0 || bytes.count <= bytesLeft else { return badAnswer() }
            bytesLeft -= min(bytes.count, bytesLeft)
            if query.view == .users {
                page.keys.append(bytes)
                page.end = bytes
            } else {
                page.end = Array(bytes.prefix(SessionID.byteCount))
                if let member = bytes.withUnsafeBytes({ PresenceMember(packed: $0) }) {
                    page.members.append(member)
                } else {
                    status.badMessages &+= 1
                }
            }
        }
        return .success(page)
    }

    private func badAnswer() -> Result<PresencePage, PublishRefusal> {
        status.badMessages &+= 1
        return .failure(.medium("Redis sent an unexpected reply"))
    }
}
