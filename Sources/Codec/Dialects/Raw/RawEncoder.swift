/// The raw dialect: the frame is the payload, as it was published.
enum RawEncoder {
    @inline(__always)
    static func write(_ publication: Publication, to writer: ByteWriter) {
        publication.payload.withUnsafeBytes { payload in
            FrameWriter.write(publication.kind == .binary ? .binary : .text, payload, to: writer)
        }
    }
}
