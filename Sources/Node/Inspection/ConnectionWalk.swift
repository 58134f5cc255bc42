import Codec
import Reactor

/// A walk over the sessions of one reactor, in slices: between two of them the reactor serves its sessions. On that reactor only.
///
/// Chosen by numbers; only those that are shown get their texts.
final class ConnectionWalk: @unchecked Sendable {
    private struct Pick {
        let value: Count
        let locator: Locator
    }

    private let query: ConnectionQuery
    private let channel: ChannelName?
    private let range: AddressRange?
    private let dialect: Dialect?
    private let after: (value: Count, id: SessionID)?
    /// Nothing can be right: what is asked for does not exist.
    private let isVoid: Bool
    private var picks: Foremost<Pick>
    private var next: UInt32 = 0

    /// Sessions between two looks at the sockets.
    static let slice: UInt32 = 2048

    init(_ query: ConnectionQuery) {
        self.query = query
        channel = query.channel.map { ChannelName(trusted: Array($0.utf8)) }
        range = query.address.flatMap { try? AddressRange(parsing: $0) }
        dialect = query.dialect.flatMap { Dialect(name: $0) }
        after = query.cursor.flatMap { cursor in SessionID(cursor.id).map { (cursor.value, $0) } }
        isVoid =
            (query.address != nil && range == nil) || query.dialect.map { Dialect(name: $0) == nil } ?? false
        let sort = query.sort
        picks = Foremost(query.limit) { left, right in
            sort.precedes(left.value, right.value) ?? (left.locator.value < right.locator.value)
        }
    }

    /// Goes one slice further.
    ///
    /// - Returns: What was found, in no order; nil while there is more to look at.
    func step(on shard: Shard) -> [ConnectionSummary]? {
        // A channel that was given up and taken again has another index.
        let filter = channel.flatMap { shard.channels.byName[$0]?.index }
        guard !isVoid, channel == nil || filter != nil, !isTooMuch(for: shard) else { return [] }
        let used = UInt32(clamping: shard.context.table.used)
        let end = min(used, next + Self.slice)
        for slot in next..<max(next, end) {
            guard let session = shard.openSession(slot), isWanted(slot, session, shard, filter) else { continue }
            let value = shard.value(of: session, query.sort)
            let locator = shard.locator(of: slot)
            if let after, !isBehind(value, locator, after, shard.node) { continue }
            picks.offer(Pick(value: value, locator: locator))
        }
        next = end
        guard next >= used else { return nil }
        // Those that ended meanwhile are left out.
        return picks.elements.compactMap { pick in
            guard let session = shard.find(pick.locator), session.pointee.phase == .open else { return nil }
            return shard.summary(of: pick.locator.slot)
        }
    }

    /// Whether less waits for all sessions together than should wait for one.
    private func isTooMuch(for shard: Shard) -> Bool {
        guard let least = query.minimumBacklog else { return false }
        return Count(shard.io.outboundBytes + shard.io.kernelBytes) < least
    }

    private func isWanted(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ shard: Shard, _ filter: UInt32?
    ) -> Bool {
        if let dialect, !session.pointee.dialect.isSame(as: dialect) { return false }
        if let hub = query.hub, session.pointee.machine.hub != hub { return false }
        if let least = query.minimumBacklog, shard.value(of: session, .backlog) < least { return false }
        if let filter, session.pointee.subscriptions.index(of: filter) == nil { return false }
        if let user = query.user, shard.credentials(slot)?.user != user { return false }
        if let range {
            guard let address = session.pointee.peer.address.flatMap({ IPAddress($0) }) else { return false }
            return range.contains(address)
        }
        return true
    }

    private func isBehind(
        _ value: Count, _ locator: Locator, _ cursor: (value: Count, id: SessionID), _ node: NodeID
    ) -> Bool {
        if let precedes = query.sort.precedes(cursor.value, value) { return precedes }
        if node != cursor.id.node { return node.value > cursor.id.node.value }
        return locator.value > cursor.id.locator
    }
}

extension Shard {
    /// A session that is open.
    func openSession(_ slot: UInt32) -> UnsafeMutablePointer<SessionSlot>? {
        let session = session(slot)
        return session.pointee.phase == .open ? session : nil
    }

    /// By what a session is listed.
    func value(of session: UnsafeMutablePointer<SessionSlot>, _ sort: ConnectionSort) -> Count {
        switch sort {
        case .id, .backlog: Count(session.pointee.outbound.bytes + Int(session.pointee.kernelBytes))
        case .age: openedAt(session)
        case .dropped: Count(session.pointee.dropped)
        }
    }

    /// In milliseconds since 1970, to the second.
    func openedAt(_ session: UnsafeMutablePointer<SessionSlot>) -> Count {
        Count(context.startedAtWall + UInt64(session.pointee.openedAt) * 1000)
    }
}
