/// What a client gets, in the encoding that is spoken with it.
extension CentrifugeDialect {
    @inline(__always)
    static func write(
        _ publication: Publication, _ data: CentrifugeData = .plain, showsEpoch: Bool, as variant: Variant,
        to writer: ByteWriter
    ) {
        let carrier = CentrifugeCarrier(variant)
        switch CentrifugeEncoding(variant.encoding) {
        case .json:
            CentrifugeEncoder.write(publication, data: data, showsEpoch: showsEpoch, in: carrier, to: writer)
        case .protobuf:
            CentrifugeProtobufEncoder.write(publication, data: data, showsEpoch: showsEpoch, in: carrier, to: writer)
        }
    }

    /// - Returns: Whether it is a delta.
    static func write(
        _ publication: Publication, after previous: Publication?, showsEpoch: Bool, as variant: Variant,
        scratch: ByteWriter, to writer: ByteWriter
    ) -> Bool {
        let data = CentrifugeData.of(
            publication, after: previous, as: CentrifugeEncoding(variant.encoding), scratch: scratch)
        write(publication, data, showsEpoch: showsEpoch, as: variant, to: writer)
        if case .delta = data { return true }
        return false
    }

    static func write(
        _ change: PresenceChange, _ member: PresenceMember, of channel: ChannelName, as variant: Variant,
        to writer: ByteWriter
    ) {
        let carrier = CentrifugeCarrier(variant)
        switch CentrifugeEncoding(variant.encoding) {
        case .json: CentrifugeEncoder.write(change, member, in: channel, in: carrier, to: writer)
        case .protobuf: CentrifugeProtobufEncoder.write(change, member, in: channel, in: carrier, to: writer)
        }
    }

    static func write(
        _ outcome: Outcome, for reply: ReplyID, as variant: Variant, to writer: ByteWriter
    ) {
        let carrier = CentrifugeCarrier(variant)
        switch CentrifugeEncoding(variant.encoding) {
        case .json: CentrifugeEncoder.write(outcome, for: reply, in: carrier, to: writer)
        case .protobuf: CentrifugeProtobufEncoder.write(outcome, for: reply, in: carrier, to: writer)
        }
        // One that has no pong to send shows with WebSocket's own that it is there (RFC 6455 5.5.2).
        if case .ping = outcome, carrier.framing == .webSocket, !carrier.isBidirectional {
            FrameWriter.write(.ping, UnsafeRawBufferPointer(start: nil, count: 0), to: writer)
        }
    }

    /// The last words: a push where there is no close frame, and both where no client counts on the frame alone.
    static func write(_ farewell: Farewell, as variant: Variant, to writer: ByteWriter) {
        let carrier = CentrifugeCarrier(variant)
        let isDuplex = carrier.framing == .webSocket
        if !isDuplex || !carrier.isBidirectional {
            let code = farewell.code.rawValue
            let isReconnectWelcome = !(3500..<4000).contains(code) && !(4500..<5000).contains(code)
            switch CentrifugeEncoding(variant.encoding) {
            case .json:
                CentrifugeEncoder.writeDisconnectPush(
                    code: code, reason: farewell.reason, isReconnectWelcome: isReconnectWelcome, in: carrier, to: writer
                )
            case .protobuf:
                CentrifugeProtobufEncoder.writeDisconnectPush(
                    code: code, reason: farewell.reason, isReconnectWelcome: isReconnectWelcome, in: carrier, to: writer
                )
            }
        }
        // 3000 is the SDKs' own name for a connection that is gone: they are to see that, and no close frame (as with Centrifugo).
        if isDuplex, farewell.code.rawValue != CentrifugeDisconnect.connectionClosed.code {
            FrameWriter.writeClose(farewell.code, reason: farewell.reason, to: writer)
        }
    }

    static func maximumBytes(
        _ publication: Publication, hasDeltas: Bool, in encoding: Variant.Encoding
    ) -> Int {
        switch CentrifugeEncoding(encoding) {
        case .json: CentrifugeEncoder.maximumBytes(publication, hasDeltas: hasDeltas)
        case .protobuf: CentrifugeProtobufEncoder.maximumBytes(publication)
        }
    }

    static func maximumBytes(_ member: PresenceMember, in encoding: Variant.Encoding) -> Int {
        switch CentrifugeEncoding(encoding) {
        case .json: CentrifugeEncoder.maximumBytes(member)
        case .protobuf: CentrifugeProtobufEncoder.maximumBytes(member)
        }
    }
}
