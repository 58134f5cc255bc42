/// The messages that the node sends in Protobuf, field by field (Centrifuge client protocol v2, client.proto).

/// A command's answer, or a push.
struct CentrifugeReplyMessage<Body: ProtobufMessage>: ProtobufMessage {
    /// 0 for a push.
    let id: UInt32
    let number: UInt32
    let body: Body

    @inline(__always)
    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        sink.field(1, id)
        sink.field(number, body)
    }
}

/// Something that is no answer.
struct CentrifugePushMessage<Body: ProtobufMessage>: ProtobufMessage {
    /// Empty for what is about no channel.
    let channel: [UInt8]
    let number: UInt32
    let body: Body

    @inline(__always)
    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        sink.field(2, channel)
        sink.field(number, body)
    }
}

/// A result without fields.
struct CentrifugeEmptyMessage: ProtobufMessage {
    func write<Sink: ProtobufSink>(to sink: inout Sink) {}
}

struct CentrifugeErrorMessage: ProtobufMessage {
    let error: CentrifugeError

    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        sink.field(1, error.code)
        sink.field(2, error.message)
        sink.field(3, error.isTemporary)
    }
}

/// ClientInfo.
struct CentrifugeMemberMessage: ProtobufMessage {
    let member: PresenceMember

    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        if let user = member.user { sink.field(1, user) }
        sink.field(2, member.session)
        if let info = member.info { sink.field(3, info) }
    }
}

/// SubscribeResult.
struct CentrifugeSubscribedMessage: ProtobufMessage {
    var ttl: UInt32?
    let beginning: Outcome.Beginning?
    var hasDeltas = false

    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        sink.field(1, ttl != nil)
        sink.field(2, ttl ?? 0)
        guard let beginning else { return sink.field(13, hasDeltas) }
        sink.field(3, true)
        sink.field(6, beginning.position.epochText)
        for publication in beginning.missed { sink.field(7, CentrifugePublicationMessage(publication: publication)) }
        sink.field(8, beginning.isRecovered ?? false)
        sink.field(9, ClientOffset(beginning.position).value)
        sink.field(10, true)
        sink.field(12, beginning.isRecovered != nil)
        sink.field(13, hasDeltas)
    }
}

/// ConnectResult, and Connect where it is a push, which has other numbers.
struct CentrifugeConnectedMessage: ProtobufMessage {
    let client: SessionID
    let version: String
    let ttl: UInt32?
    let channels: [(name: ChannelName, beginning: Outcome.Beginning?)]
    let ping: UInt32
    let pong: Bool
    let session: [UInt8]
    let isPush: Bool

    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        sink.field(1, client)
        sink.field(2, version)
        if isPush {
            writeChannels(4, to: &sink)
            writeExpiry(5, to: &sink)
        } else {
            writeExpiry(3, to: &sink)
            writeChannels(6, to: &sink)
        }
        sink.field(7, ping)
        sink.field(8, pong)
        sink.field(9, session)
        sink.field(10, client.node.description)
    }

    private func writeExpiry<Sink: ProtobufSink>(_ number: UInt32, to sink: inout Sink) {
        sink.field(number, ttl != nil)
        sink.field(number &+ 1, ttl ?? 0)
    }

    private func writeChannels<Sink: ProtobufSink>(_ number: UInt32, to sink: inout Sink) {
        for channel in channels { sink.field(number, Channel(name: channel.name, beginning: channel.beginning)) }
    }

    /// An entry of `subs`.
    private struct Channel: ProtobufMessage {
        let name: ChannelName
        let beginning: Outcome.Beginning?

        func write<Sink: ProtobufSink>(to sink: inout Sink) {
            sink.field(1, name.bytes)
            sink.field(2, CentrifugeSubscribedMessage(beginning: beginning))
        }
    }
}

/// RefreshResult.
struct CentrifugeRefreshedMessage: ProtobufMessage {
    let client: SessionID
    let version: String
    let ttl: UInt32?

    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        sink.field(1, client)
        sink.field(2, version)
        sink.field(3, ttl != nil)
        sink.field(4, ttl ?? 0)
    }
}

/// SubRefreshResult, and Refresh.
struct CentrifugeExpiryMessage: ProtobufMessage {
    let ttl: UInt32?

    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        sink.field(1, ttl != nil)
        sink.field(2, ttl ?? 0)
    }
}

/// HistoryResult.
struct CentrifugeHistoryMessage: ProtobufMessage {
    let page: HistoryPage

    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        for publication in page.publications { sink.field(1, CentrifugePublicationMessage(publication: publication)) }
        sink.field(2, page.top.epochText)
        sink.field(3, ClientOffset(page.top).value)
    }
}

/// PresenceResult.
struct CentrifugePresenceMessage: ProtobufMessage {
    let members: [PresenceMember]

    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        for member in members { sink.field(1, Entry(member: member)) }
    }

    struct Entry: ProtobufMessage {
        let member: PresenceMember

        func write<Sink: ProtobufSink>(to sink: inout Sink) {
            sink.field(1, member.session)
            sink.field(2, CentrifugeMemberMessage(member: member))
        }
    }
}

/// PresenceStatsResult.
struct CentrifugeCountsMessage: ProtobufMessage {
    let counts: PresenceCounts

    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        sink.field(1, counts.clients)
        sink.field(2, counts.users)
    }
}
