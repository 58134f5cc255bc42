/// What a client gets, in the encoding that is spoken with it.
extension SignalRDialect {
    @inline(__always)
    static func write(_ publication: Publication, as variant: Variant, to writer: ByteWriter) {
        switch SignalREncoding(variant.encoding) {
        case .json: SignalREncoder.write(publication, over: variant.transport, to: writer)
        case .messagePack: SignalRPackedEncoder.write(publication, over: variant.transport, to: writer)
        }
    }

    static func maximumBytes(_ publication: Publication, in encoding: Variant.Encoding) -> Int {
        switch SignalREncoding(encoding) {
        case .json: SignalREncoder.maximumBytes(publication)
        case .messagePack: SignalRPackedEncoder.maximumBytes(publication)
        }
    }

    static func write(_ outcome: Outcome, for reply: ReplyID, as variant: Variant, to writer: ByteWriter) {
        let encoding = SignalREncoding(variant.encoding)
        switch outcome {
        case .connected: SignalRHandshake.writeResponse(error: nil, as: encoding, over: variant.transport, to: writer)
        case .ping:
            switch encoding {
            case .json: SignalREncoder.writePing(over: variant.transport, to: writer)
            case .messagePack: SignalRPackedEncoder.writePing(over: variant.transport, to: writer)
            }
        case .acknowledged(let number): writeCount(.ack, number, as: variant, to: writer)
        case .renumbered(let next): writeCount(.sequence, next, as: variant, to: writer)
        case .subscribed(_, let beginning, _):
            writeCompletion(reply, nil, as: variant, to: writer)
            for publication in beginning?.missed ?? [] { write(publication, as: variant, to: writer) }
        // Whoever joins twice has what it wants.
        case .unsubscribed, .published, .failed(.alreadySubscribed):
            writeCompletion(reply, nil, as: variant, to: writer)
        case .failed(let failure): writeCompletion(reply, failure, as: variant, to: writer)
        case .called(let result): writeCompletion(reply, result, as: variant, to: writer)
        // Its clients cannot ask for these, and have no words for what the node does by itself.
        case .history, .presence, .presenceCounts, .refreshed, .subscriptionRefreshed, .subscriptionBegan, .expiryMoved,
            .subscriptionEnded, .lost, .positions, .refused:
            break
        }
    }

    private static func writeCompletion(
        _ reply: ReplyID, _ result: CallResult, as variant: Variant, to writer: ByteWriter
    ) {
        guard case .text(let id) = reply else { return }
        switch SignalREncoding(variant.encoding) {
        case .json: SignalREncoder.writeCompletion(id, result, over: variant.transport, to: writer)
        case .messagePack: SignalRPackedEncoder.writeCompletion(id, result, over: variant.transport, to: writer)
        }
    }

    private static func writeCount(
        _ kind: SignalRMessage.Kind, _ number: UInt64, as variant: Variant, to writer: ByteWriter
    ) {
        switch SignalREncoding(variant.encoding) {
        case .json: SignalREncoder.writeCount(kind, number, over: variant.transport, to: writer)
        case .messagePack: SignalRPackedEncoder.writeCount(kind, number, over: variant.transport, to: writer)
        }
    }

    /// Whoever called without an id wants no answer, and must not get one.
    private static func writeCompletion(
        _ reply: ReplyID, _ failure: Failure?, as variant: Variant, to writer: ByteWriter
    ) {
        guard case .text(let id) = reply else { return }
        switch SignalREncoding(variant.encoding) {
        case .json: SignalREncoder.writeCompletion(id, failure, over: variant.transport, to: writer)
        case .messagePack: SignalRPackedEncoder.writeCompletion(id, failure, over: variant.transport, to: writer)
        }
    }
}
