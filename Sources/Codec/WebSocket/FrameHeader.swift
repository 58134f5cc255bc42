/// The first 2 to 14 bytes of a frame (RFC 6455 5.2), read strictly.
///
/// A verdict depends on the shortest prefix that decides it, so that it is the same however the bytes are cut, and it
/// comes with the first byte that can give it.
struct FrameHeader {
    static let maximumBytes = 14
    /// The longest payload of a control frame (RFC 6455 5.5).
    static let maximumControlBytes = 125

    let opcode: Opcode
    let isFinal: Bool
    /// The message is compressed (RFC 7692 6). Never where no `Context` allows it.
    let isCompressed: Bool
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
        /// Whether RSV1 has a meaning: permessage-deflate was agreed upon.
        var allowsCompression = false
    }

    @inline(__always)
    static func parse(_ bytes: UnsafeRawBufferPointer, _ context: Context) -> Parsed {
        guard bytes.count >= 1 else { return .incomplete }
        let first = bytes[0]
        let isFinal = first & 0x80 != 0
        guard let opcode = Opcode(rawValue: first & 0x0F) else {
            return .failure(first & 0x70 == 0 ? .reservedOpcode(first & 0x0F) : .reservedBits)
        }
        // RFC 7692 6: the bit stands in the first frame of a message and nowhere else.
        let isCompressed = first & 0x40 != 0
        guard first & 0x30 == 0,
            !isCompressed || (context.allowsCompression && (opcode == .text || opcode == .binary))
        else { return .failure(.reservedBits) }
        if opcode.isControl {
            guard isFinal else { return .failure(.fragmentedControl) }
        } else if context.isInMessage != (opcode == .continuation) {
            return .failure(context.isInMessage ? .messageInMessage : .nothingToContinue)
        }

        guard bytes.count >= 2 else { return .incomplete }
        let second = bytes[1]
        guard (second & 0x80 != 0) == context.isMasked else {
            return .failure(context.isMasked ? .notMasked : .masked)
        }
        var payload = Int(second & 0x7F)
        guard !opcode.isControl || payload <= maximumControlBytes else { return .failure(.longControl) }

        var size = 2
        if payload == 126 {
            size = 4
            guard bytes.count >= size else { return .incomplete }
            payload = Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            guard payload > 125 else { return .failure(.lengthNotMinimal) }
        } else if payload == 127 {
            size = 10
            guard bytes.count >= size else { return .incomplete }
            let long = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            guard long >> 63 == 0 else { return .failure(.lengthHighestBit) }
            guard long > 0xFFFF else { return .failure(.lengthNotMinimal) }
            payload = Int(long)
        }
        // Before anything is allocated, and before the rest of the header matters.
        guard opcode.isControl || payload <= context.bytesLeft else { return .failure(.messageTooBig) }

        var key: UInt32 = 0
        if context.isMasked {
            guard bytes.count >= size + 4 else { return .incomplete }
            key = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: size, as: UInt32.self))
            size += 4
        }
        return .header(
            FrameHeader(
                opcode: opcode, isFinal: isFinal, isCompressed: isCompressed, key: key, payloadBytes: payload,
                bytes: size))
    }
}
