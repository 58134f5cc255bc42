/// Messages of the signalr dialect in MessagePack (HubProtocol.md, "MessagePack Encoding").
enum SignalRPackedEncoder {
    /// See `SignalREncoder.write`. There are always six parts, because one client counts on the last one.
    static func write(_ publication: Publication, over transport: Transport, to writer: ByteWriter) {
        message(over: transport, writer) {
            MessagePackWriter.writeArrayHead(6, to: writer)
            MessagePackWriter.write(SignalRMessage.Kind.invocation.rawValue, to: writer)
            MessagePackWriter.writeMapHead(0, to: writer)
            MessagePackWriter.writeNull(to: writer)
            MessagePackWriter.writeText(SignalRTarget.name(of: publication), to: writer)
            writeArguments(of: publication, to: writer)
            MessagePackWriter.writeArrayHead(0, to: writer)
        }
    }

    private static func writeArguments(of publication: Publication, to writer: ByteWriter) {
        publication.payload.withUnsafeBytes { payload in
            let start = writer.count
            switch SignalRTarget.form(of: publication, payload) {
            case .list:
                if MessagePackWriter.writeJSON(payload, to: writer) { return }
            case .value:
                MessagePackWriter.writeArrayHead(1, to: writer)
                if MessagePackWriter.writeJSON(payload, to: writer) { return }
            case .text: break
            case .binary:
                MessagePackWriter.writeArrayHead(1, to: writer)
                return MessagePackWriter.writeBinary(payload, to: writer)
            }
            // Text, or JSON with strings that stand for no characters.
            writer.removeLast(writer.count - start)
            MessagePackWriter.writeArrayHead(1, to: writer)
            MessagePackWriter.writeText(payload, to: writer)
        }
    }

    /// See `SignalREncoder.writeCompletion`.
    static func writeCompletion(_ id: [UInt8], _ failure: Failure?, over transport: Transport, to writer: ByteWriter) {
        message(over: transport, writer) {
            MessagePackWriter.writeArrayHead(failure == nil ? 4 : 5, to: writer)
            MessagePackWriter.write(SignalRMessage.Kind.completion.rawValue, to: writer)
            MessagePackWriter.writeMapHead(0, to: writer)
            MessagePackWriter.writeText(id, to: writer)
            MessagePackWriter.write(UInt64(failure == nil ? 2 : 1), to: writer)  // trap-ok: a constant
            if let failure { MessagePackWriter.writeText(failure.callError, to: writer) }
        }
    }

    /// See `SignalREncoder.writeCompletion`. The kinds of results are 1 for an error, 2 for nothing and 3 for a value.
    static func writeCompletion(_ id: [UInt8], _ result: CallResult, over transport: Transport, to writer: ByteWriter) {
        message(over: transport, writer) {
            let kind: UInt64 =
                switch result {
                case .refused: 1
                case .nothing: 2
                case .json, .bytes: 3
                }
            MessagePackWriter.writeArrayHead(kind == 2 ? 4 : 5, to: writer)
            MessagePackWriter.write(SignalRMessage.Kind.completion.rawValue, to: writer)
            MessagePackWriter.writeMapHead(0, to: writer)
            MessagePackWriter.writeText(id, to: writer)
            MessagePackWriter.write(kind, to: writer)
            switch result {
            case .nothing: break
            case .refused(let refusal): MessagePackWriter.writeText(Array(refusal.message.utf8), to: writer)
            case .bytes(let bytes): bytes.withUnsafeBytes { MessagePackWriter.writeBinary($0, to: writer) }
            case .json(let json):
                json.withUnsafeBytes { json in
                    let start = writer.count
                    if MessagePackWriter.writeJSON(json, to: writer) { return }
                    // Strings that stand for no characters: the value as it was written.
                    writer.removeLast(writer.count - start)
                    MessagePackWriter.writeText(json, to: writer)
                }
            }
        }
    }

    static func writePing(over transport: Transport, to writer: ByteWriter) {
        message(over: transport, writer) {
            MessagePackWriter.writeArrayHead(1, to: writer)
            MessagePackWriter.write(SignalRMessage.Kind.ping.rawValue, to: writer)
        }
    }

    /// See `SignalREncoder.writeCount`.
    static func writeCount(
        _ kind: SignalRMessage.Kind, _ number: UInt64, over transport: Transport, to writer: ByteWriter
    ) {
        message(over: transport, writer) {
            MessagePackWriter.writeArrayHead(2, to: writer)
            MessagePackWriter.write(kind.rawValue, to: writer)
            MessagePackWriter.write(number, to: writer)
        }
    }

    /// - Parameter error: Nil when the client may come back.
    static func writeClose(_ error: String?, over transport: Transport, to writer: ByteWriter) {
        message(over: transport, writer) {
            MessagePackWriter.writeArrayHead(3, to: writer)
            MessagePackWriter.write(SignalRMessage.Kind.close.rawValue, to: writer)
            if let error {
                MessagePackWriter.writeText(Array(error.utf8), to: writer)
            } else {
                MessagePackWriter.writeNull(to: writer)
            }
            MessagePackWriter.write(error == nil, to: writer)
        }
    }

    /// The longest length, in bytes.
    private static var lengthBytes: Int { 5 }

    /// Room is left for the longest length and the longest header, and what was written moves up when shorter ones will do.
    private static func message(over transport: Transport, _ writer: ByteWriter, _ body: () -> Void) {
        let start = writer.count
        if transport == .webSocket { writer.reserveFrame() }
        let length = writer.count
        for _ in 0..<lengthBytes { writer.append(0) }
        body()
        var rest = UInt32(clamping: writer.count - length - lengthBytes)
        var bytes = 0
        withUnsafeTemporaryAllocation(byteCount: lengthBytes, alignment: 1) { digits in
            repeat {
                digits[bytes] = UInt8(truncatingIfNeeded: rest & 0x7F) | (rest > 0x7F ? 0x80 : 0)
                rest >>= 7
                bytes += 1
            } while rest > 0
            writer.remove(lengthBytes - bytes, at: length)
            writer.overwrite(at: length, with: UnsafeRawBufferPointer(rebasing: digits[..<bytes]))
        }
        if transport == .webSocket { writer.closeFrame(.binary, at: start, reserved: ByteWriter.frameBytes) }
    }

    /// Heads, the length and the frame's header around one publication.
    private static var around: Int { 64 }

    /// The most bytes one publication takes.
    static func maximumBytes(_ publication: Publication) -> Int {
        let payload = publication.payload.count
        let data = publication.kind == .binary ? payload : MessagePackWriter.maximumBytes(ofJSON: payload)
        return around + SignalRTarget.name(of: publication).count + data
    }
}
