/// The first 2 to 14 bytes of a frame (RFC 6455 5.2), read strictly.
struct FrameHeader {
    static let maximumBytes = 14

    let opcode: Opcode
    let isFinal: Bool
    /// As on the wire, the first byte lowest; 0 when the frame is not masked.
    let key: UInt32
    let payloadBytes: Int
    /// The header's own length.
    let bytes: Int

    enum Parsed {
        case incomplete
        case header(FrameHeader)
        case failure(FrameError)
    }

    /// What surrounds a frame and decides what may come.
    struct Context {
        /// Whether frames have to be masked: those a server receives (RFC 6455 5.1).
        var isMasked: Bool
        /// A message has begun and its last fragment is missing.
        var isInMessage: Bool
        /// Payload bytes the message may still have.
        var bytesLeft: Int
    }

    static func parse(_ bytes: UnsafeRawBufferPointer, _ context: Context) -> Parsed {
        guard bytes.count >= 2 else { return .incomplete }
        let first = bytes[0]
        let second = bytes[1]
        guard first & 0x70 == 0 else { return .failure(FrameError(.protocolError, "reserved bits are set")) }
        guard let opcode = Opcode(rawValue: first & 0x0F) else {
            return .failure(FrameError(.protocolError, "opcode \(first & 0x0F) is reserved"))
        }
        let isFinal = first & 0x80 != 0
        guard (second & 0x80 != 0) == context.isMasked else {
            return .failure(
                FrameError(.protocolError, context.isMasked ? "the frame is not masked" : "the frame is masked"))
        }
        let short = Int(second & 0x7F)
        if opcode.isControl {
            guard isFinal else { return .failure(FrameError(.protocolError, "a control frame is fragmented")) }
            guard short <= 125 else {
                return .failure(FrameError(.protocolError, "a control frame has more than 125 bytes"))
            }
        } else if opcode == .continuation, !context.isInMessage {
            return .failure(FrameError(.protocolError, "nothing is there to continue"))
        } else if opcode != .continuation, context.isInMessage {
            return .failure(FrameError(.protocolError, "the message before is not complete"))
        }

        var size = 2
        var payload = short
        switch short {
        case 126:
            size = 4
            guard bytes.count >= 4 else { return .incomplete }
            payload = Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            guard payload > 125 else { return .failure(notMinimal) }
        case 127:
            size = 10
            guard bytes.count >= 10 else { return .incomplete }
            let long = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            guard long >> 63 == 0 else {
                return .failure(FrameError(.protocolError, "the highest bit of the length is set"))
            }
            guard long > 0xFFFF else { return .failure(notMinimal) }
            payload = Int(long)
        default: break
        }
        // Before anything is allocated, and before the rest of the header matters.
        guard opcode.isControl || payload <= context.bytesLeft else {
            return .failure(FrameError(.tooBig, "the message is larger than the limit"))
        }
        guard context.isMasked else {
            return .header(
                FrameHeader(opcode: opcode, isFinal: isFinal, key: 0, payloadBytes: payload, bytes: size))
        }
        guard bytes.count >= size + 4 else { return .incomplete }
        let key = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: size, as: UInt32.self))
        return .header(
            FrameHeader(opcode: opcode, isFinal: isFinal, key: key, payloadBytes: payload, bytes: size + 4))
    }

    private static var notMinimal: FrameError { FrameError(.protocolError, "the length is not in its shortest form") }
}
