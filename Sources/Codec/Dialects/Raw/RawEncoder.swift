/// The raw dialect: the frame is the payload, as it was published.
enum RawEncoder {
    @inline(__always)
    static func write(_ publication: Publication, to writer: ByteWriter) {
        publication.payload.withUnsafeBytes { payload in
            FrameWriter.write(publication.kind == .binary ? .binary : .text, payload, to: writer)
        }
    }

    /// The payload and the longest header.
    static func maximumBytes(_ publication: Publication) -> Int { publication.payload.count + 14 }

    /// Only WebSocket itself has words here (RFC 6455 5.5.2).
    static func write(_ outcome: Outcome, to writer: ByteWriter) {
        guard case .ping = outcome else { return }
        FrameWriter.write(.ping, UnsafeRawBufferPointer(start: nil, count: 0), to: writer)
    }
}
