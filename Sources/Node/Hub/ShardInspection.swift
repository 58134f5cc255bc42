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
        package var kernelBytes: Int
        /// Of publications kept to make deltas of.
        package var deltaBytes: Int
        package var filterBytes: Int
        /// Sessions whose connection was cut.
        package var cutSessions: Int
        package var resumeBytes: Int
        /// Requests that wait for what sessions are to be told.
        package var awaitedPolls: Int
        /// Clients refused or sent away, by reason.
        package var refusals: [String: UInt64]
        package var reactor: Reactor.Statistics
        package var sendPath: SendPath
    }

    package var snapshot: Snapshot {
        Snapshot(
            counters: context.counters, sessions: context.table.count - context.awaitedPolls, channels: channelCount,
            outboundBytes: io.outboundBytes, kernelBytes: io.kernelBytes, deltaBytes: fanOut.deltaBytes,
            filterBytes: channels.filterBytes, cutSessions: life.cutSessions, resumeBytes: io.resumeBytes,
            awaitedPolls: context.awaitedPolls, refusals: context.refusals.counts, reactor: reactor.statistics,
            sendPath: context.sendPath)
    }

    /// Who has sessions here, and how many subscriptions there are to channels of applications.
    package var population: (users: Set<ForeignText>, subscriptions: Int) {
        var users: Set<ForeignText> = []
        for slot in 0..<UInt32(context.table.used) where session(slot).pointee.phase == .open {
            if let user = credentials(slot)?.user { users.insert(user) }
        }
        let subscriptions = channels.byName.values.reduce(0) { $0 + ($1.name.isReserved ? 0 : $1.subscribers) }
        return (users, subscriptions)
    }

    /// Channels named in one listing.
    private static var listedChannels: Int { 16 }

    func summary(of slot: UInt32) -> ConnectionSummary {
        let session = session(slot)
        var names: [String] = []
        var more = 0
        for index in 0..<session.pointee.subscriptions.count {
            guard let channel = channels.byIndex[Int(session.pointee.subscriptions[index].channel)],
                !channel.name.isReserved
            else { continue }
            if names.count < Self.listedChannels { names.append(channel.name.description) } else { more += 1 }
        }
        let age = (reactor.now.nanoseconds &- context.startedAt.nanoseconds) / 1_000_000_000
        return ConnectionSummary(
            id: id(of: slot).description, node: node.description, dialect: PlainText(session.pointee.dialect.name),
            remote: PlainText(session.pointee.peer.address.map { "\($0)" } ?? "unknown"),
            user: credentials(slot)?.user?.text, channels: names, moreChannels: Count(more),
            ageSeconds: Count(Int64(clamping: age) - Int64(session.pointee.openedAt)),
            messagesIn: Count(session.pointee.messagesIn), bytesIn: Count(session.pointee.bytesIn),
            bytesOut: Count(session.pointee.bytesOut),
            backlogBytes: Count(session.pointee.outbound.bytes + Int(session.pointee.kernelBytes)),
            kernelBytes: Count(session.pointee.kernelBytes),
            droppedPublications: Count(session.pointee.dropped), openedAt: openedAt(session))
    }

    /// Closes a session for an operator.
    ///
    /// - Returns: Whether it was here.
    package func close(_ id: SessionID, code: UInt16, reason: String) -> Bool {
        guard let slot = find(id), session(slot).pointee.phase == .open else { return false }
        life.end(slot, .requested(CloseCode(rawValue: code), reason: reason))
        return true
    }

    /// Closes all sessions of a user for an operator.
    ///
    /// - Returns: How many there were.
    package func close(user: ForeignText, code: UInt16, reason: String) -> Int {
        var count = 0
        for slot in 0..<UInt32(context.table.used) where session(slot).pointee.phase == .open {
            guard credentials(slot)?.user == user else { continue }
            life.end(slot, .requested(CloseCode(rawValue: code), reason: reason))
            count += 1
        }
        return count
    }
}
