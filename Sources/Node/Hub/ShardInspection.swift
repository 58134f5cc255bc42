package import Codec
package import Reactor

/// What operators ask a reactor. Answered on the reactor, in bounded time: what is expensive is done only for the few
/// that are shown.
extension Shard {
    package struct Snapshot: Sendable {
        package var counters: ShardCounters
        package var sessions: Int
        package var channels: Int
        package var outboundBytes: Int
        package var reactor: Reactor.Statistics
    }

    package var snapshot: Snapshot {
        Snapshot(
            counters: counters, sessions: table.count, channels: channelCount, outboundBytes: outboundBytes,
            reactor: reactor.statistics)
    }

    /// Channels named in one listing.
    private static var listedChannels: Int { 16 }

    /// The first channels after a name, by bytes.
    package func channels(prefix: [UInt8], after: [UInt8]?, limit: Int) -> [(name: String, subscribers: Int)] {
        var found: [ShardChannel] = []
        for channel in channels.values where !channel.name.isReserved && channel.name.bytes.starts(with: prefix) {
            if let after, !after.lexicographicallyPrecedes(channel.name.bytes) { continue }
            found.append(channel)
        }
        found.sort { $0.name.bytes.lexicographicallyPrecedes($1.name.bytes) }
        return found.prefix(limit).map { ($0.name.description, $0.subscribers) }
    }

    /// The first connections after a place in the listing.
    package func connections(_ query: ConnectionQuery) -> [ConnectionSummary] {
        var filter: UInt32?
        if let name = query.channel {
            guard let channel = channels[ChannelName(trusted: Array(name.utf8))] else { return [] }
            filter = channel.index
        }
        // Chosen by numbers; only those shown get their texts.
        var chosen: [(backlog: Int, slot: UInt32)] = []
        let after = query.cursor.flatMap { cursor in SessionID(cursor.id).map { (cursor.backlog, $0) } }
        for slot in 0..<UInt32(table.used) {
            let session = session(slot)
            guard session.pointee.phase == .open else { continue }
            if let filter, session.pointee.subscriptions.index(of: filter) == nil { continue }
            if let user = query.user, credentials(slot)?.user != user { continue }
            let backlog = session.pointee.outbound.bytes
            if let after, !isAfter(slot, backlog, after, query.sort) { continue }
            chosen.append((backlog, slot))
        }
        chosen.sort { left, right in
            if query.sort == .backlog, left.backlog != right.backlog { return left.backlog > right.backlog }
            return locator(of: left.slot).value < locator(of: right.slot).value
        }
        return chosen.prefix(query.limit).map { summary(of: $0.slot) }
    }

    private func isAfter(
        _ slot: UInt32, _ backlog: Int, _ place: (backlog: Int, id: SessionID), _ sort: ConnectionSort
    ) -> Bool {
        if sort == .backlog, backlog != place.backlog { return backlog < place.backlog }
        if node != place.id.node { return node.value > place.id.node.value }
        return locator(of: slot).value > place.id.locator
    }

    private func summary(of slot: UInt32) -> ConnectionSummary {
        let session = session(slot)
        var names: [String] = []
        var more = 0
        for index in 0..<session.pointee.subscriptions.count {
            guard let channel = channelsByIndex[Int(session.pointee.subscriptions[index].channel)],
                !channel.name.isReserved
            else { continue }
            if names.count < Self.listedChannels { names.append(channel.name.description) } else { more += 1 }
        }
        let age = (reactor.now.nanoseconds &- startedAt.nanoseconds) / 1_000_000_000
        return ConnectionSummary(
            id: id(of: slot).description, node: node.description, dialect: session.pointee.dialect.name,
            remote: session.pointee.peer.address.map { "\($0)" } ?? "unknown", user: credentials(slot)?.user,
            channels: names, moreChannels: more,
            ageSeconds: Int(age) - Int(session.pointee.openedAt), messagesIn: Int(session.pointee.messagesIn),
            bytesIn: session.pointee.bytesIn, bytesOut: session.pointee.bytesOut,
            backlogBytes: session.pointee.outbound.bytes, droppedPublications: Int(session.pointee.dropped))
    }

    /// How often a subscriber here did not get a publication of a channel because it did not keep up.
    package func dropped(of name: ChannelName) -> UInt64 { channels[name]?.dropped ?? 0 }

    /// Closes a session for an operator.
    ///
    /// - Returns: Whether it was here.
    package func close(_ id: SessionID, code: UInt16, reason: String) -> Bool {
        guard let slot = find(id), session(slot).pointee.phase == .open else { return false }
        close(slot, code: CloseCode(rawValue: code), reason: reason)
        return true
    }

    /// Closes all sessions of a user for an operator.
    ///
    /// - Returns: How many there were.
    package func close(user: String, code: UInt16, reason: String) -> Int {
        var count = 0
        for slot in 0..<UInt32(table.used) where session(slot).pointee.phase == .open {
            guard credentials(slot)?.user == user else { continue }
            close(slot, code: CloseCode(rawValue: code), reason: reason)
            count += 1
        }
        return count
    }
}
