/// What the node says in the centrifuge dialect in Protobuf: what `CentrifugeEncoder` says in JSON, each message behind its
/// length. Lengths are counted before anything is written, so nothing is moved and nothing allocated.
package enum CentrifugeProtobufEncoder {
    // MARK: Pushes

    /// - Parameter showsEpoch: Whether the publication says the epoch of its position.
    @inline(__always)
    package static func write(
        _ publication: Publication, data: CentrifugeData = .plain, showsEpoch: Bool = false,
        in carrier: CentrifugeCarrier, to writer: ByteWriter
    ) {
        if publication.channel.isReserved {
            // "Everybody" and "this connection" are not channels a client knows: it gets a message.
            return push([], 8, CentrifugeDataMessage(data: publication.payload), carrier, writer)
        }
        let message = CentrifugePublicationMessage(publication: publication, data: data, showsEpoch: showsEpoch)
        push(publication.channel.bytes, 4, message, carrier, writer)
    }

    package static func write(
        _ change: PresenceChange, _ member: PresenceMember, in channel: ChannelName, in carrier: CentrifugeCarrier,
        to writer: ByteWriter
    ) {
        let number: UInt32 =
            switch change {
            case .join: 5
            case .leave: 6
            }
        push(channel.bytes, number, CentrifugeChangeMessage(member: member), carrier, writer)
    }

    /// The node ended a subscription.
    package static func writeUnsubscribePush(
        _ channel: ChannelName, code: UInt32, reason: String, in carrier: CentrifugeCarrier, to writer: ByteWriter
    ) {
        push(channel.bytes, 7, CentrifugeUnsubscribeMessage(code: code, reason: reason), carrier, writer)
    }

    /// The node began a subscription.
    package static func writeSubscribePush(
        _ channel: ChannelName, position: Position?, data: [UInt8]? = nil, in carrier: CentrifugeCarrier,
        to writer: ByteWriter
    ) {
        push(channel.bytes, 9, CentrifugeSubscribeMessage(position: position, data: data), carrier, writer)
    }

    /// A client that sends no commands is connected.
    package static func writeConnectPush(
        client: SessionID, version: String, ping: UInt32, ttl: UInt32? = nil,
        channels: [(name: ChannelName, beginning: Outcome.Beginning?)] = [], in carrier: CentrifugeCarrier,
        to writer: ByteWriter
    ) {
        let message = CentrifugeConnectedMessage(
            client: client, version: version, ttl: ttl, channels: channels, ping: ping, pong: false, session: [],
            isPush: true)
        push([], 10, message, carrier, writer)
    }

    /// The connection ends, where no close frame can say why.
    package static func writeDisconnectPush(
        code: UInt16, reason: String, isReconnectWelcome: Bool, in carrier: CentrifugeCarrier, to writer: ByteWriter
    ) {
        let message = CentrifugeDisconnectMessage(
            code: UInt32(code), reason: reason, isReconnectWelcome: isReconnectWelcome)
        push([], 11, message, carrier, writer)
    }

    /// The node extended the connection, or limited it.
    package static func writeRefreshPush(ttl: UInt32?, in carrier: CentrifugeCarrier, to writer: ByteWriter) {
        push([], 12, CentrifugeExpiryMessage(ttl: ttl), carrier, writer)
    }

    // MARK: Replies

    /// - Parameters:
    ///   - ping: How often the node pings, in seconds.
    ///   - ttl: Seconds until the client needs a new token; nil for never.
    ///   - channels: What it was subscribed to by the node, and where that begins, if it has history.
    ///   - session: What it has to name when it sends commands in requests of their own; empty where it does not.
    package static func writeConnected(
        _ id: UInt32, client: SessionID, version: String, ping: UInt32, pong: Bool, ttl: UInt32? = nil,
        channels: [(name: ChannelName, beginning: Outcome.Beginning?)] = [], session: [UInt8] = [],
        in carrier: CentrifugeCarrier, to writer: ByteWriter
    ) {
        let message = CentrifugeConnectedMessage(
            client: client, version: version, ttl: ttl, channels: channels, ping: ping, pong: pong, session: session,
            isPush: false)
        reply(id, 5, message, carrier, writer)
    }

    /// - Parameters:
    ///   - ttl: Seconds until the subscription needs a new token; nil for never.
    ///   - hasDeltas: Whether publications may be deltas. Those that were missed are whole.
    package static func writeSubscribed(
        _ id: UInt32, ttl: UInt32? = nil, beginning: Outcome.Beginning? = nil, hasDeltas: Bool = false,
        in carrier: CentrifugeCarrier, to writer: ByteWriter
    ) {
        let message = CentrifugeSubscribedMessage(ttl: ttl, beginning: beginning, hasDeltas: hasDeltas)
        reply(id, 6, message, carrier, writer)
    }

    package static func writeUnsubscribed(_ id: UInt32, in carrier: CentrifugeCarrier, to writer: ByteWriter) {
        reply(id, 7, CentrifugeEmptyMessage(), carrier, writer)
    }

    package static func writePublished(_ id: UInt32, in carrier: CentrifugeCarrier, to writer: ByteWriter) {
        reply(id, 8, CentrifugeEmptyMessage(), carrier, writer)
    }

    /// Who is present, by the ids of their sessions.
    package static func writePresence(
        _ id: UInt32, _ members: [PresenceMember], in carrier: CentrifugeCarrier, to writer: ByteWriter
    ) {
        reply(id, 9, CentrifugePresenceMessage(members: members), carrier, writer)
    }

    package static func writePresenceStats(
        _ id: UInt32, _ counts: PresenceCounts, in carrier: CentrifugeCarrier, to writer: ByteWriter
    ) {
        reply(id, 10, CentrifugeCountsMessage(counts: counts), carrier, writer)
    }

    package static func writeHistory(
        _ id: UInt32, _ page: HistoryPage, in carrier: CentrifugeCarrier, to writer: ByteWriter
    ) {
        reply(id, 11, CentrifugeHistoryMessage(page: page), carrier, writer)
    }

    /// The application answered a call. Whoever calls has sorted out refusals.
    static func writeCalled(_ id: UInt32, _ result: CallResult, in carrier: CentrifugeCarrier, to writer: ByteWriter) {
        let data: [UInt8] =
            switch result {
            case .nothing, .refused: []
            case .json(let bytes), .bytes(let bytes): bytes
            }
        reply(id, 13, CentrifugeDataMessage(data: data), carrier, writer)
    }

    package static func writeRefreshed(
        _ id: UInt32, client: SessionID, version: String, ttl: UInt32?, in carrier: CentrifugeCarrier,
        to writer: ByteWriter
    ) {
        reply(id, 14, CentrifugeRefreshedMessage(client: client, version: version, ttl: ttl), carrier, writer)
    }

    package static func writeSubRefreshed(
        _ id: UInt32, ttl: UInt32?, in carrier: CentrifugeCarrier, to writer: ByteWriter
    ) {
        reply(id, 15, CentrifugeExpiryMessage(ttl: ttl), carrier, writer)
    }

    package static func writeError(
        _ id: UInt32, _ error: CentrifugeError, in carrier: CentrifugeCarrier, to writer: ByteWriter
    ) {
        reply(id, 2, CentrifugeErrorMessage(error: error), carrier, writer)
    }

    /// An empty message.
    package static func writePing(in carrier: CentrifugeCarrier, to writer: ByteWriter) {
        send(CentrifugeEmptyMessage(), carrier, writer)
    }

    // MARK: Around them

    private static func reply(
        _ id: UInt32, _ number: UInt32, _ body: some ProtobufMessage, _ carrier: CentrifugeCarrier, _ writer: ByteWriter
    ) {
        send(CentrifugeReplyMessage(id: id, number: number, body: ProtobufCounted(body)), carrier, writer)
    }

    @inline(__always)
    private static func push(
        _ channel: [UInt8], _ number: UInt32, _ body: some ProtobufMessage, _ carrier: CentrifugeCarrier,
        _ writer: ByteWriter
    ) {
        let push = ProtobufCounted(CentrifugePushMessage(channel: channel, number: number, body: ProtobufCounted(body)))
        guard carrier.isBidirectional else { return send(push, carrier, writer) }
        send(CentrifugeReplyMessage(id: 0, number: 4, body: push), carrier, writer)
    }

    @inline(__always)
    private static func send(_ message: some ProtobufMessage, _ carrier: CentrifugeCarrier, _ writer: ByteWriter) {
        let count = message.protobufBytes
        let length = UInt64(clamping: count)
        if carrier.framing == .webSocket {
            FrameWriter.writeHeader(.binary, payloadBytes: ProtobufCounter.bytes(length) + count, to: writer)
        }
        writer.append(varint: length)
        writer.append(message)
    }

    // MARK: Sizes

    /// A frame's head and a length at their longest.
    private static var around: Int { 10 + 10 }

    /// The most bytes one publication takes, by itself or in a reply, whole.
    package static func maximumBytes(_ publication: Publication) -> Int {
        if let (_, member) = publication.extras?.change {
            return maximumBytes(member) + 10 + publication.channel.bytes.count
        }
        let message = CentrifugePublicationMessage(publication: publication, showsEpoch: true)
        let push = CentrifugePushMessage(channel: publication.channel.bytes, number: 4, body: message)
        return around + CentrifugeReplyMessage(id: 0, number: 4, body: push).protobufBytes
    }

    /// The most bytes one member takes in a reply.
    package static func maximumBytes(_ member: PresenceMember) -> Int {
        around + CentrifugePresenceMessage.Entry(member: member).protobufBytes
    }
}
