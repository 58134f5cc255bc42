import Authentication
import Codec
import Reactor

/// Everything that is known of one session, for operators. What proves who it is (its token) is not kept, and so is not in it.
extension Shard {
    /// - Parameter after: The name behind which its subscriptions are listed.
    /// - Returns: Nil for a session that is not open here.
    func detail(of id: SessionID, after: [UInt8]?, limit: Int) -> ConnectionDetail? {
        guard let slot = find(id), let session = openSession(slot) else { return nil }
        let known = credentials(slot)
        let (subscriptions, count, cursor) = subscriptions(slot, session, after, limit)
        let variant = session.pointee.variant
        return ConnectionDetail(
            summary: summary(of: slot),
            more: .init(
                transport: variant.transport.text, encoding: "\(variant.encoding)",
                compression: "\(variant.compression)",
                unidirectional: variant.isUnidirectional, tls: session.pointee.stream.isEncrypted,
                loggedIn: channels.isOneOfEverybody(slot), unread: session.pointee.flags.reasons,
                unanswered: Count(session.pointee.unanswered),
                info: known?.info.map { String(decoding: $0, as: UTF8.self) },
                expiresAt: known?.expiresAt.map { Count($0) },
                grants: known?.grants.map {
                    ConnectionDetail.Permission(match: $0.match.map(\.description), allow: $0.allow.texts)
                } ?? [],
                subscriptions: subscriptions, subscriptionCount: Count(count), cursor: cursor))
    }

    private func subscriptions(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ after: [UInt8]?, _ limit: Int
    ) -> (page: [SubscriptionSummary], count: Int, cursor: String?) {
        var page = Foremost<(channel: ShardChannel, place: UInt32)>(limit) { left, right in
            left.channel.name.bytes.lexicographicallyPrecedes(right.channel.name.bytes)
        }
        var count = 0
        var behind = 0
        for index in 0..<session.pointee.subscriptions.count {
            let subscription = session.pointee.subscriptions[index]
            guard let channel = channels.byIndex[Int(subscription.channel)], !channel.name.isReserved else { continue }
            count += 1
            if let after, !after.lexicographicallyPrecedes(channel.name.bytes) { continue }
            behind += 1
            page.offer((channel, subscription.rosterIndex))
        }
        let expiries = extras(slot)?.expiries ?? [:]
        let rows = page.sorted.map { channel, place in
            let entry =
                place == Channels.notInRoster
                ? nil : channel.rosters.find(slot, at: place, speaking: session.pointee.variant)
            let expiry = expiries[channel.index].flatMap { $0 == .max ? nil : $0 }
            return SubscriptionSummary(
                name: channel.name.description, confirmed: entry != nil,
                form: "\(entry?.pointee.form ?? .all)", expiresAt: expiry.map { Count($0) })
        }
        return (rows, count, behind > rows.count ? rows.last?.name : nil)
    }
}

extension Transport {
    fileprivate var text: PlainText {
        switch self {
        case .webSocket: "websocket"
        case .eventStream: "event_stream"
        case .stream: "http_stream"
        case .longPolling: "long_polling"
        }
    }
}

extension SessionSlot.Flags {
    /// Why a session is not read from.
    fileprivate var reasons: [PlainText] {
        var reasons: [PlainText] = []
        if contains(.paused) { reasons.append("a channel or the link does not keep up") }
        if contains(.parked) { reasons.append("it waits for an answer") }
        if contains(.indebted) { reasons.append("it sent faster than its rate") }
        if contains(.suspended) { reasons.append("a command before is being decided") }
        return reasons
    }
}

extension Grant.Permissions {
    fileprivate var texts: [PlainText] { Self.names.filter { contains($0.value) }.map { PlainText($0.name) } }
}
