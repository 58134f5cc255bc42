/// The first message of a client, and the answer to it (HubProtocol.md, "Overview"): JSON with a record separator behind it, whatever
/// is spoken afterwards.
enum SignalRHandshake {
    /// Versions of the hub protocol. One client names 0.
    private static let versions: ClosedRange<UInt64> = 0...2
    /// From this one on, clients come back to a connection that was cut, if the negotiation allowed it.
    private static let resumable: UInt64 = 2

    enum Request: Equatable {
        case accepted(SignalREncoding, isResumable: Bool)
        case refused(Ending)
    }

    /// - Parameter message: What is in front of the record separator, in UTF-8.
    static func read(_ message: UnsafeRawBufferPointer) -> Request {
        var scanner = JSONScanner(message)
        var name: [UInt8]?
        var version: UInt64?
        let isWhole = scanner.members { key, scanner in
            if key.isEqual(to: "protocol") {
                name = scanner.text()
                return name != nil
            }
            guard key.isEqual(to: "version") else { return scanner.skipValue() }
            version = scanner.unsigned()
            return version != nil
        }
        guard isWhole, scanner.isAtEnd, let name, let version else { return .refused(.malformed) }
        guard versions.contains(version) else { return .refused(.wrongEncoding) }
        let isResumable = version >= resumable
        if name.elementsEqual("json".utf8) { return .accepted(.json, isResumable: isResumable) }
        return name.elementsEqual("messagepack".utf8)
            ? .accepted(.messagePack, isResumable: isResumable) : .refused(.wrongEncoding)
    }

    /// - Parameter error: Nil when the client may go on.
    static func writeResponse(
        error: String?, as encoding: SignalREncoding, over transport: Transport, to writer: ByteWriter
    ) {
        SignalREncoder.message(over: transport, in: encoding == .json ? .text : .binary, writer) {
            guard let error else { return writer.append("{}") }
            writer.append(#"{"error":"#)
            JSONWriter.writeString(error, to: writer)
            writer.append("}")
        }
    }
}

extension ByteWriter {
    /// The longest header of a frame from a server, in bytes (RFC 6455 5.2).
    static var frameBytes: Int { 10 }

    /// Leaves room for the header of a frame.
    @inline(__always)
    func reserveFrame() {
        append(bigEndian: UInt64(0))
        append(bigEndian: UInt16(0))
    }
}
