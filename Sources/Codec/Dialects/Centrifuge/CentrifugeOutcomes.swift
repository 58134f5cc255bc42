/// What the core says, in the messages of this dialect; and how long they may become.
extension CentrifugeEncoder {
    static func write(_ outcome: Outcome, for reply: ReplyID, in carrier: CentrifugeCarrier, to writer: ByteWriter) {
        let id = reply.number
        switch outcome {
        case .connected(let connected) where !carrier.isBidirectional:
            writeConnectPush(
                client: connected.client, version: connected.version, ping: connected.ping,
                ttl: connected.timeToLive, channels: connected.channels, in: carrier, to: writer)
        case .connected(let connected):
            writeConnected(
                id, client: connected.client, version: connected.version, ping: connected.ping, pong: true,
                ttl: connected.timeToLive, channels: connected.channels, session: connected.key?.session ?? [],
                in: carrier, to: writer)
        case .subscribed(let ttl, let beginning, let hasDeltas):
            writeSubscribed(id, ttl: ttl, beginning: beginning, hasDeltas: hasDeltas, in: carrier, to: writer)
        case .unsubscribed: writeUnsubscribed(id, in: carrier, to: writer)
        case .published: writePublished(id, in: carrier, to: writer)
        case .history(let page): writeHistory(id, page, in: carrier, to: writer)
        case .presence(let members): writePresence(id, members, in: carrier, to: writer)
        case .presenceCounts(let counts): writePresenceStats(id, counts, in: carrier, to: writer)
        case .refreshed(let client, let version, let ttl):
            writeRefreshed(id, client: client, version: version, ttl: ttl, in: carrier, to: writer)
        case .subscriptionRefreshed(let ttl): writeSubRefreshed(id, ttl: ttl, in: carrier, to: writer)
        case .failed(let failure): writeError(id, CentrifugeError(failure), in: carrier, to: writer)
        case .called(.refused(let refusal)): writeError(id, CentrifugeError(refusal), in: carrier, to: writer)
        case .called(let result): writeCalled(id, result, in: carrier, to: writer)
        case .ping: writePing(in: carrier, to: writer)
        case .subscriptionBegan(let channel, let position, let data):
            writeSubscribePush(channel, position: position, data: data, in: carrier, to: writer)
        case .expiryMoved(let ttl): writeRefreshPush(ttl: ttl, in: carrier, to: writer)
        case .subscriptionEnded(let channel, let ending):
            let (code, reason) = ending.centrifuge
            writeUnsubscribePush(channel, code: code, reason: reason.description, in: carrier, to: writer)
        case .refused(let error):
            CentrifugeDialect.writeRefusal(error, in: carrier, to: writer)
        // Its subscriptions end instead, its positions are in replies, and it counts no messages.
        case .lost, .positions, .acknowledged, .renumbered: break
        }
    }

    // MARK: Sizes

    /// Keys, numbers, ids and the frame's head around one publication or member.
    private static var around: Int { 320 }

    /// The most bytes one publication takes, by itself or in a reply.
    ///
    /// - Parameter hasDeltas: Whether it is for subscribers with deltas, who get it as a string, or as a delta that is smaller.
    package static func maximumBytes(_ publication: Publication, hasDeltas: Bool = false) -> Int {
        let data = publication.payload.withUnsafeBytes { payload in
            switch publication.kind {
            case .json, .text:
                if JSONScanner.isValid(payload) {
                    hasDeltas ? JSONWriter.stringBytes(payload) : payload.count
                } else {
                    // Each byte of a string may get a backslash in the string around it.
                    JSONWriter.stringBytes(payload) * (hasDeltas ? 2 : 1) + 2
                }
            case .binary: (payload.count + 2) / 3 * 4 + 2 + 4
            }
        }
        let publisher = publication.extras?.publisher?.detailBytes ?? 0
        let tags = publication.extras?.shownTags.map { tagBytes($0) } ?? 0
        return around + JSONWriter.stringBytes(publication.channel.bytes) + data + publisher + tags
    }

    private static func tagBytes(_ tags: PublicationTags) -> Int {
        var count = 10
        tags.forEach { key, value in count += JSONWriter.stringBytes(key) + JSONWriter.stringBytes(value) + 2 }
        return count
    }

    /// The most bytes one member takes in a reply.
    package static func maximumBytes(_ member: PresenceMember) -> Int { around + member.detailBytes }
}

extension CentrifugeProtobufEncoder {
    static func write(
        _ outcome: Outcome, for reply: ReplyID, in carrier: CentrifugeCarrier, to writer: ByteWriter
    ) {
        let id = reply.number
        switch outcome {
        case .connected(let connected) where !carrier.isBidirectional:
            writeConnectPush(
                client: connected.client, version: connected.version, ping: connected.ping,
                ttl: connected.timeToLive, channels: connected.channels, in: carrier, to: writer)
        case .connected(let connected):
            writeConnected(
                id, client: connected.client, version: connected.version, ping: connected.ping, pong: true,
                ttl: connected.timeToLive, channels: connected.channels, session: connected.key?.session ?? [],
                in: carrier, to: writer)
        case .subscribed(let ttl, let beginning, let hasDeltas):
            writeSubscribed(id, ttl: ttl, beginning: beginning, hasDeltas: hasDeltas, in: carrier, to: writer)
        case .unsubscribed: writeUnsubscribed(id, in: carrier, to: writer)
        case .published: writePublished(id, in: carrier, to: writer)
        case .history(let page): writeHistory(id, page, in: carrier, to: writer)
        case .presence(let members): writePresence(id, members, in: carrier, to: writer)
        case .presenceCounts(let counts): writePresenceStats(id, counts, in: carrier, to: writer)
        case .refreshed(let client, let version, let ttl):
            writeRefreshed(id, client: client, version: version, ttl: ttl, in: carrier, to: writer)
        case .subscriptionRefreshed(let ttl): writeSubRefreshed(id, ttl: ttl, in: carrier, to: writer)
        case .failed(let failure): writeError(id, CentrifugeError(failure), in: carrier, to: writer)
        case .called(.refused(let refusal)): writeError(id, CentrifugeError(refusal), in: carrier, to: writer)
        case .called(let result): writeCalled(id, result, in: carrier, to: writer)
        case .ping: writePing(in: carrier, to: writer)
        case .subscriptionBegan(let channel, let position, let data):
            writeSubscribePush(channel, position: position, data: data, in: carrier, to: writer)
        case .expiryMoved(let ttl): writeRefreshPush(ttl: ttl, in: carrier, to: writer)
        case .subscriptionEnded(let channel, let ending):
            let (code, reason) = ending.centrifuge
            writeUnsubscribePush(channel, code: code, reason: reason.description, in: carrier, to: writer)
        // As in JSON; event streams are always in JSON.
        case .lost, .positions, .refused, .acknowledged, .renumbered: break
        }
    }
}
