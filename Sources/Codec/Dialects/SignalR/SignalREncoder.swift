/// Messages of the signalr dialect in JSON (HubProtocol.md, "JSON Encoding").
enum SignalREncoder {
    /// A publication is an invocation of the client, to which there is no answer: its target is the event, and its arguments are what
    /// was published.
    static func write(_ publication: Publication, over transport: Transport, to writer: ByteWriter) {
        message(over: transport, writer) {
            writer.append(#"{"type":1,"target":"#)
            JSONWriter.writeString(SignalRTarget.name(of: publication), to: writer)
            writer.append(#","arguments":"#)
            writeArguments(of: publication, over: transport, to: writer)
            writer.append("}")
        }
    }

    private static func writeArguments(
        of publication: Publication, over transport: Transport, to writer: ByteWriter
    ) {
        // A line of an event stream cannot have another one inside.
        func write(_ json: UnsafeRawBufferPointer) {
            if transport == .eventStream { JSONWriter.writeOnOneLine(json, to: writer) } else { writer.append(json) }
        }
        publication.payload.withUnsafeBytes { payload in
            switch SignalRTarget.form(of: publication, payload) {
            case .list: write(payload)
            case .value:
                writer.append(UInt8(ascii: "["))
                write(payload)
                writer.append(UInt8(ascii: "]"))
            case .text:
                writer.append(UInt8(ascii: "["))
                JSONWriter.writeString(payload, to: writer)
                writer.append(UInt8(ascii: "]"))
            case .binary:
                writer.append("[\"")
                Base64.write(payload, to: writer)
                writer.append("\"]")
            }
        }
    }

    /// A call was carried out, or was not.
    static func writeCompletion(
        _ id: [UInt8], _ failure: Failure?, over transport: Transport, to writer: ByteWriter
    ) {
        message(over: transport, writer) {
            writer.append(#"{"type":3,"invocationId":"#)
            JSONWriter.writeString(id, to: writer)
            if let failure {
                writer.append(#","error":"#)
                JSONWriter.writeString(failure.callError.description, to: writer)
                writer.append("}")
            } else {
                writer.append(#","result":null}"#)
            }
        }
    }

    /// The application answered a call.
    static func writeCompletion(
        _ id: [UInt8], _ result: CallResult, over transport: Transport, to writer: ByteWriter
    ) {
        message(over: transport, writer) {
            writer.append(#"{"type":3,"invocationId":"#)
            JSONWriter.writeString(id, to: writer)
            switch result {
            case .nothing: writer.append(#","result":null"#)
            case .json(let json):
                writer.append(#","result":"#)
                json.withUnsafeBytes { JSONWriter.writeOnOneLine($0, to: writer) }
            case .bytes(let bytes):
                writer.append(#","result":""#)
                bytes.withUnsafeBytes { Base64.write($0, to: writer) }
                writer.append("\"")
            case .refused(let refusal):
                writer.append(#","error":"#)
                JSONWriter.writeString(refusal.message, to: writer)
            }
            writer.append("}")
        }
    }

    static func writePing(over transport: Transport, to writer: ByteWriter) {
        message(over: transport, writer) { writer.append(#"{"type":6}"#) }
    }

    /// Up to which number messages came (type 8), or which number the next one has (type 9).
    static func writeCount(
        _ kind: SignalRMessage.Kind, _ number: UInt64, over transport: Transport, to writer: ByteWriter
    ) {
        message(over: transport, writer) {
            writer.append(#"{"type":"#)
            writer.append(decimal: kind.rawValue)
            writer.append(#","sequenceId":"#)
            writer.append(decimal: number)
            writer.append("}")
        }
    }

    /// - Parameter error: Nil when the client may come back.
    static func writeClose(_ error: String?, over transport: Transport, to writer: ByteWriter) {
        message(over: transport, writer) {
            guard let error else { return writer.append(#"{"type":7,"allowReconnect":true}"#) }
            writer.append(#"{"type":7,"error":"#)
            JSONWriter.writeString(error, to: writer)
            writer.append("}")
        }
    }

    /// One JSON object and the record separator, in what they travel in: a frame, an event, or nothing.
    static func message(
        over transport: Transport, in opcode: Opcode = .text, _ writer: ByteWriter, _ body: () -> Void
    ) {
        guard transport == .webSocket else {
            let isEvent = transport == .eventStream
            if isEvent { writer.append("data: ") }
            body()
            writer.append(SignalREncoding.separator)
            if isEvent { writer.append("\n\n") }
            return
        }
        let start = writer.count
        writer.reserveFrame()
        body()
        writer.append(SignalREncoding.separator)
        writer.closeFrame(opcode, at: start, reserved: ByteWriter.frameBytes)
    }

    /// Keys, the frame's header and the separator around one publication.
    private static var around: Int { 64 }

    /// The most bytes one publication takes.
    static func maximumBytes(_ publication: Publication) -> Int {
        let payload = publication.payload
        let data = publication.kind == .binary ? (payload.count + 2) / 3 * 4 + 2 : JSONWriter.stringBytes(payload)
        return around + JSONWriter.stringBytes(SignalRTarget.name(of: publication)) + data
    }
}

/// What a publication is called in a call of the client.
enum SignalRTarget {
    /// Of publications without an event, as in an event stream.
    static let standard = Array("message".utf8)

    static func name(of publication: Publication) -> [UInt8] { publication.extras?.event ?? standard }

    enum Form {
        /// JSON, and a list of arguments.
        case list
        /// JSON, and one argument.
        case value
        /// Text that is not JSON, as one argument.
        case text
        case binary
    }

    /// How a payload becomes arguments: a list in JSON that was published with an event is the list of them, and everything else is
    /// one.
    static func form(of publication: Publication, _ payload: UnsafeRawBufferPointer) -> Form {
        guard publication.kind != .binary else { return .binary }
        guard JSONScanner.isValid(payload) else { return .text }
        var scanner = JSONScanner(payload)
        return publication.extras?.event != nil && scanner.next == UInt8(ascii: "[") ? .list : .value
    }
}

extension Failure {
    /// What the caller of a method is told.
    var callError: StaticString {
        switch self {
        case .temporary: "It could not be done now, try again."
        case .permissionDenied: "This is not permitted."
        case .alreadySubscribed: "The caller is in this group already."
        case .limitExceeded: "The caller is in too many groups (limits.channels_per_session)."
        case .malformed, .invalidFilter, .badArguments: "The arguments do not fit the method."
        case .notAvailable: "This is not available here."
        case .unknownMethod: "The hub has no such method."
        case .tokenExpired: "The token has expired."
        case .tooManyRequests: "Too many calls, try again later."
        case .unrecoverable: "What was missed cannot be had any more."
        }
    }
}
