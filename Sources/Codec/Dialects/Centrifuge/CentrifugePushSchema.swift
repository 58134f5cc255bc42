/// What pushes hold in Protobuf, field by field (Centrifuge client protocol v2, client.proto).

/// Join and Leave.
struct CentrifugeChangeMessage: ProtobufMessage {
    let member: PresenceMember

    func write<Sink: ProtobufSink>(to sink: inout Sink) { sink.field(1, CentrifugeMemberMessage(member: member)) }
}

/// A publication without its channel. `data` is the payload as it was published, whatever its kind.
struct CentrifugePublicationMessage: ProtobufMessage {
    let publication: Publication
    var data = CentrifugeData.plain
    var showsEpoch = false

    @inline(__always)
    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        var isDelta = false
        switch data {
        case .plain, .whole: sink.field(4, publication.payload)
        case .delta(let delta):
            isDelta = true
            sink.field(4, delta)
        }
        if let publisher = publication.extras?.publisher {
            sink.field(5, CentrifugeMemberMessage(member: publisher))
        }
        if let position = publication.position { sink.field(6, ClientOffset(position).value) }
        publication.extras?.shownTags?.forEach { key, value in
            sink.field(7, CentrifugeTagMessage(key: key, value: value))
        }
        sink.field(8, isDelta)
        sink.field(9, publication.time)
        if showsEpoch, let position = publication.position { sink.field(14, position.epochText) }
    }
}

/// An entry of a map of texts. In an entry, key and value are there even when they are empty.
struct CentrifugeTagMessage: ProtobufMessage {
    let key: UnsafeRawBufferPointer
    let value: UnsafeRawBufferPointer

    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        sink.entry(1, key)
        sink.entry(2, value)
    }
}

/// Message, which has a publication to all, to a user or to a connection.
struct CentrifugeDataMessage: ProtobufMessage {
    let data: [UInt8]

    func write<Sink: ProtobufSink>(to sink: inout Sink) { sink.field(1, data) }
}

/// Subscribe: the node subscribed a client to a channel.
struct CentrifugeSubscribeMessage: ProtobufMessage {
    let position: Position?
    /// One JSON value of the application's.
    let data: [UInt8]?

    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        if let position {
            sink.field(1, true)
            sink.field(4, position.epochText)
            sink.field(5, ClientOffset(position).value)
            sink.field(6, true)
        }
        if let data { sink.field(7, data) }
    }
}

struct CentrifugeUnsubscribeMessage: ProtobufMessage {
    let code: UInt32
    let reason: String

    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        sink.field(2, code)
        sink.field(3, reason)
    }
}

struct CentrifugeDisconnectMessage: ProtobufMessage {
    let code: UInt32
    let reason: String
    let isReconnectWelcome: Bool

    func write<Sink: ProtobufSink>(to sink: inout Sink) {
        sink.field(1, code)
        sink.field(2, reason)
        sink.field(3, isReconnectWelcome)
    }
}
